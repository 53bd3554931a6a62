"""role export as a user types it: what a card said survives the table, and what was edited there wins."""

import base64
import contextlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cards.card import Card
from cards.from_role import card_from
from cards.landing import landed, write_files
from cards.read import Found, read_card
from cards.to_role import role_from
from chatroom.roles import read_role
from tests.cards.conftest import Launch
from tests.cards.samples import CARD, CHINESE, SIGNATURE, json_file, picture, text_chunk
from tests.folders import make_base, make_role


def imported(world: Path, launch: Launch, card: Any = CARD, id: str = "mara") -> Path:
    done = launch("role", "import", json_file(world / "card.json", card), "--id", id)
    assert done.status == 0, done.err
    return world / "roles" / id


def exported(world: Path, launch: Launch, id: str = "mara", *options: object) -> Any:
    out = world / "out.json"
    out.unlink(missing_ok=True)
    done = launch("role", "export", id, "--as", "json", "--out", out, *options)
    assert done.status == 0, done.err
    return json.loads(out.read_text("utf-8"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_field_of_a_card_survives(world: Path, launch: Launch) -> None:
    imported(world, launch)
    card = exported(world, launch)
    assert (card["spec"], card["spec_version"]) == ("chara_card_v3", "3.0")
    assert card["create_date"] == "2024-5-1"
    assert card["data"] == {**CARD["data"], "group_only_greetings": []}


def test_a_flat_card_comes_out_new(world: Path, launch: Launch) -> None:
    imported(world, launch, {**CHINESE, "odd": 1})
    data = exported(world, launch)["data"]
    assert data.items() >= {**CHINESE, "odd": 1}.items()
    assert data["alternate_greetings"] == []
    assert data["extensions"] == {}


def test_only_what_was_edited_changes(world: Path, launch: Launch) -> None:
    folder = imported(world, launch)
    edit(folder / "persona.md", "A storm night.", "A calm night.")
    edit(folder / "role.toml", "talkativeness = 0.7", "talkativeness = 0.2")
    data = exported(world, launch)["data"]
    extensions = {**CARD["data"]["extensions"], "talkativeness": 0.2}
    expected = {**CARD["data"], "scenario": "A calm night.", "extensions": extensions, "group_only_greetings": []}
    assert data == expected


def test_an_edited_role_comes_back_edited(world: Path, launch: Launch) -> None:
    folder = imported(world, launch)
    edit(folder / "role.toml", "aliases = []", 'aliases = ["Keeper", "Mar"]')
    edit(folder / "role.toml", "Mara Vell keeps the light on Gull Rock.", "Keeps a secret.")
    edit(folder / "role.toml", "Good evening. Sit down.", "Who is there?")
    json_file(world / "card.json", exported(world, launch))
    (folder / "role.toml").rename(world / "old.toml")  # makes room for one of the same name
    assert launch("role", "import", world / "card.json", "--id", "again").status == 0
    role = read_role(world / "roles/again", world / "models")
    assert (role.aliases, role.about) == (("Keeper", "Mar"), "Keeps a secret.")
    assert "Who is there?" in role.greeting


def test_edited_lines_become_example_dialogues(world: Path, launch: Launch) -> None:
    folder = imported(world, launch)
    record = {"context": [{"name": "Tobin", "text": "Rain?"}, {"name": "Mara Vell", "text": "No."}], "reply": "Fog."}
    (folder / "lines.jsonl").write_text(json.dumps(record) + "\n")
    data = exported(world, launch)["data"]
    assert data["mes_example"] == "<START>\n{{user}}: Rain?\n{{char}}: No.\n{{char}}: Fog."


def test_a_role_without_a_card_is_exported(world: Path, launch: Launch) -> None:
    folder = make_role(
        world / "roles/mara", 'name = "Mara Vell"\naliases = ["Mara"]\n[knowledge]\nsources = ["wiki"]\n'
    )
    (folder / "wiki").mkdir()
    (folder / "wiki/lens.md").write_text("# The Eye\n\nThe Eye is the great lens.\n")
    (folder / "wiki/debt.md").write_text("---\naudience: tobin\n---\n# The debt\n\nTobin owes nine crowns.\n")
    data = exported(world, launch)["data"]
    assert (data["name"], data["description"]) == ("Mara Vell", "Keeps the light.")
    assert [entry["keys"] for entry in data["character_book"]["entries"]] == [["The Eye"]]
    assert data["extensions"]["chatroom"]["aliases"] == ["Mara"]


def test_a_picture_carries_both_versions(world: Path, launch: Launch) -> None:
    (world / "mara.png").write_bytes(picture(text_chunk(b"chara", CARD)))
    launch("role", "import", world / "mara.png", "--id", "mara")
    assert launch("role", "export", "mara", "--out", "new.png").status == 0
    written = (world / "new.png").read_bytes()
    assert written.count(b"tEXtchara\0") == written.count(b"tEXtccv3\0") == 1
    text = written.partition(b"tEXtchara\0")[2]
    older = json.loads(base64.b64decode(text[: text.index(b"tEXt") - 8]))
    assert (older["spec"], older["spec_version"]) == ("chara_card_v2", "2.0")
    assert read_card(world / "new.png").card.data == {**CARD["data"], "group_only_greetings": []}


@pytest.mark.parametrize("name", ["Mara", "安吉拉", "9"])
def test_a_role_without_picture_gets_one(world: Path, launch: Launch, name: str) -> None:
    make_role(world / "roles/who", f'name = "{name}"\n')
    assert launch("role", "export", "who").status == 0
    data = (world / "who.png").read_bytes()
    assert data.startswith(SIGNATURE + b"\0\0\0\rIHDR")
    assert read_card(world / "who.png").card.text("name") == name


def test_a_charx_holds_card_and_picture(world: Path, launch: Launch) -> None:
    imported(world, launch)
    (world / "other.png").write_bytes(picture())
    assert launch("role", "export", "mara", "--as", "charx", "--picture", "other.png").status == 0
    with zipfile.ZipFile(world / "mara.charx") as archive:
        assert archive.namelist() == ["card.json", "assets/icon/images/main.png"]
        card = json.loads(archive.read("card.json"))
    assert card["data"]["assets"][0]["uri"] == "embeded://assets/icon/images/main.png"
    assert read_card(world / "mara.charx").picture == picture()


def test_a_file_is_never_overwritten(world: Path, launch: Launch) -> None:
    imported(world, launch)
    (world / "kept.json").write_text("mine")
    done = launch("role", "export", "mara", "--as", "json", "--out", "kept.json")
    assert (done.status, "already" in done.err, (world / "kept.json").read_text()) == (1, True, "mine")


@pytest.mark.parametrize("kind", ["json", "package"])
def test_a_picture_without_use_is_refused(world: Path, launch: Launch, kind: str) -> None:
    imported(world, launch)
    (world / "other.png").write_bytes(picture())
    done = launch("role", "export", "mara", "--as", kind, "--picture", "other.png", "--out", "x")
    assert (done.status, "leave --picture out" in done.err, (world / "x").exists()) == (1, True, False)


def test_a_pages_second_keys_travel(world: Path, launch: Launch) -> None:
    folder = imported(world, launch, CHINESE)
    entry = {"keys": ["lamp"], "secondary_keys": ["oil"], "selective": True, "content": "It burns.", "enabled": True}
    (folder / "wiki").mkdir()
    json_file(folder / "wiki/other.json", {"spec": "lorebook_v3", "data": {"extensions": {}, "entries": [entry]}})
    edit(folder / "role.toml", "sources = []", 'sources = ["wiki"]')
    (out,) = exported(world, launch)["data"]["character_book"]["entries"]
    assert (out["keys"], out["secondary_keys"], out["selective"]) == (["lamp"], ["oil"], True)


def test_what_is_no_picture_is_told(world: Path, launch: Launch) -> None:
    imported(world, launch)
    (world / "bad.png").write_bytes(b"GIF89a")
    done = launch("role", "export", "mara", "--picture", "bad.png", "--out", "x.png")
    assert (done.status, "no PNG picture" in done.err) == (1, True)
    assert sorted(path.name for path in world.iterdir() if "x.png" in path.name or path.name.startswith(".")) == []


def test_a_damaged_kept_card_is_told(world: Path, launch: Launch) -> None:
    (imported(world, launch) / "card.json").write_text("{")
    done = launch("role", "export", "mara", "--out", "x.png")
    assert (done.status, "roles/mara/card.json" in done.err) == (1, True)


TEXT = st.text(st.sampled_from("aZ 你:：{}<>*#@/\n\r\0.!？{{}}\u200b\ud7ff0~\"'\\"), max_size=40) | st.sampled_from(
    ["{{char}}: {{user}}", "<START>\n{{user}}: a\n{{char}}: b", "## Personality", "{{random:a,b}}", "<BOT>", "\ufeffa"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TEXTS = ("description", "personality", "scenario", "first_mes", "mes_example", "system_prompt", "nickname")
DATA = st.fixed_dictionaries(
    {"name": st.sampled_from(["Mara", "安吉拉", "Mara: Vell"])},
    optional={
        **dict.fromkeys(TEXTS, TEXT | JSON),
        "extensions": st.dictionaries(st.sampled_from(["talkativeness", "x", "chatroom"]), JSON) | JSON,
        "character_book": st.fixed_dictionaries({"entries": st.lists(JSON, max_size=2) | JSON, "name": TEXT}) | JSON,
        "alternate_greetings": JSON,
        "odd": JSON,
    },
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table")
    make_base(path / "models" / "hearth")
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=DATA)
def test_import_and_export_lose_nothing(table: Path, data: Any) -> None:
    first = carried(table, Card(data=data))
    assert {name: first.data.get(name) for name in data} == data
    assert carried(table, first) == first


def carried(table: Path, card: Card) -> Card:
    """A card after it was a role."""
    with contextlib.suppress(_TakenBackError), landed(table / "roles", table / "models", "mara") as folder:
        write_files(folder, role_from(Found(card=card), "mara", "Guest").files)
        found = card_from(read_role(folder, table / "models"))[0]
        raise _TakenBackError
    return Card(data=found.document()["data"], around=found.around)  # type: ignore[arg-type]


class _TakenBackError(Exception):
    """Ends an import before the role is at the table."""
