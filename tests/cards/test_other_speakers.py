"""Example dialogues with more than two: what somebody else says is never learnt as the character's words."""

import json
from pathlib import Path
from typing import Any

import pytest

from cards.examples import lines_of
from tests.cards.conftest import Launch
from tests.cards.samples import CARD, json_file
from tests.cards.test_import_flow import read, records


def replies(examples: str) -> list[str]:
    return [json.loads(row)["reply"] for row in lines_of(examples, {"Mara"}, "Mara").splitlines()]


def test_a_third_speaker_is_a_line(world: Path, launch: Launch) -> None:
    talk = "<START>\n{{user}}: Hi.\n{{char}}: Who's that?\nTobin Ray: Only me.\nAnd the cat.\n{{char}}: Sit.\n"
    card = {**CARD, "data": {**CARD["data"], "mes_example": talk}}
    assert launch("role", "import", json_file(world / "card.json", card)).status == 0
    first, second = records(world, "mara-vell")
    assert first["reply"] == "Who's that?"
    assert second["context"][1:] == [
        {"name": "Mara Vell", "text": "Who's that?"},
        {"name": "Tobin Ray", "text": "Only me.\nAnd the cat."},
    ]
    assert second["reply"] == "Sit."


@pytest.mark.parametrize(
    "row",
    [
        *("Tobin: Me.", "Dr. Hale: Me.", "**Tobin**: Me.", "**Tobin:** Me.", "{{guard}}: Me.", "老海：是我。"),
        *("Man at the Bar: Me.", "Narrator: The lamp dims.", "TOBIN: Me.", "Jean-Luc: Me."),
    ],
)
def test_somebody_else_ends_the_reply(row: str) -> None:
    assert replies(f"{{{{char}}}}: Yes.\n{row}\n{{{{char}}}}: No.") == ["Yes.", "No."]


@pytest.mark.parametrize(
    "row",
    [
        *("Listen to me: go.", "It is 12:30 now.", "http://a.example/b", "*she nods: yes*", "“Go”: that was all."),
        *("Mood: calm", "心情：平静", "and so: yes", "Tobin:", "Well, Tobin: no."),
    ],
)
def test_colons_in_a_reply_stay(row: str) -> None:
    assert replies(f"{{{{char}}}}: Yes.\n{row}\n{{{{user}}}}: No.") == [f"Yes.\n{row}"]


def test_hostile_examples_are_read() -> None:
    rows = "\n".join(
        ["{{char}}: Yes.", "A" * 200_000 + ":", ":" * 200_000, "A b " * 50_000 + ": x", "{" * 99_999 + ": x"]
    )
    assert len(replies(rows + "\n{{char}}: No.")) <= 2


def test_a_taken_name_can_be_given_up(world: Path, launch: Launch) -> None:
    file = json_file(world / "card.json", CARD)
    assert launch("role", "import", file).status == 0
    again = launch("role", "import", file, "--id", "other")
    assert (again.status, "give it another one with --name" in again.err) == (1, True)
    done = launch("role", "import", file, "--id", "other", "--name", "Old Mara")
    assert done.status == 0, done.err
    role: Any = read(world, "other")
    assert role.name == "Old Mara"
    assert role.persona.startswith("Old Mara keeps the light")
    assert records(world, "other")[0]["reply"].startswith("*nods*")


@pytest.mark.parametrize("name", ["A: B", " ", "x" * 41, "\u200b"])
def test_an_impossible_name_is_refused(world: Path, launch: Launch, name: str) -> None:
    done = launch("role", "import", json_file(world / "card.json", CARD), "--name", name)
    assert (done.status, done.err.startswith("error: --name: the name ")) == (1, True)
    assert list((world / "roles").iterdir()) == []


def test_a_package_gets_another_name(world: Path, launch: Launch) -> None:
    file = json_file(world / "card.json", CARD)
    launch("role", "import", file)
    launch("role", "export", "mara-vell", "--as", "package")
    done = launch("role", "import", "mara-vell.chatroom.zip", "--id", "other", "--name", '马拉 "M"')
    assert done.status == 0, done.err
    assert read(world, "other").name == '马拉 "M"'
    before, after = ((world / f"roles/{id}/role.toml").read_text("utf-8") for id in ("mara-vell", "other"))
    assert [row for row in before.split("\n") if row not in after] == ['name = "Mara Vell"']


def test_an_unsafe_name_line_is_told(world: Path, launch: Launch) -> None:
    launch("role", "import", json_file(world / "card.json", CARD))
    path = world / "roles/mara-vell/role.toml"
    path.write_text('about = """\nname = 1\n"""\n"name" = "Mara Vell"\n', "utf-8")
    launch("role", "export", "mara-vell", "--as", "package")
    done = launch("role", "import", "mara-vell.chatroom.zip", "--id", "other", "--name", "Tobin")
    assert (done.status, "change role.toml by hand" in done.err) == (1, True)
    assert not (world / "roles/other").exists()
