"""role import as a user types it: cards of every kind become roles, and what is wrong leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from chatroom.roles import read_role
from tests.cards.conftest import Launch
from tests.cards.samples import CARD, CHINESE, json_file, picture, text_chunk, zip_file
from tests.folders import make_role


def read(world: Path, id: str) -> Any:
    return read_role(world / "roles" / id, world / "models")


def records(world: Path, id: str) -> list[Any]:
    text = (world / "roles" / id / "lines.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_v2_card_becomes_a_role(world: Path, launch: Launch) -> None:
    done = launch("role", "import", json_file(world / "card.json", CARD))
    assert done.status == 0, done.err
    role = read(world, "mara-vell")
    assert (role.name, role.language, role.talkativeness) == ("Mara Vell", "en", 0.7)
    assert role.about == "Mara Vell keeps the light on Gull Rock."
    assert role.greeting == '*looks up from the lens* "Good evening. Sit down."'
    assert "She has known the player for years." in role.persona
    assert "Speak briefly." in role.persona
    assert "{{" not in role.persona


def test_examples_become_lines_with_context(world: Path, launch: Launch) -> None:
    launch("role", "import", json_file(world / "card.json", CARD))
    assert records(world, "mara-vell") == [
        {"context": [{"name": "User", "text": "Is the lamp lit?"}], "reply": "*nods* It is.\nIt always is."},
        {"context": [{"name": "User", "text": "…"}], "reply": "Hm."},
    ]


def test_the_lorebook_can_be_searched(world: Path, launch: Launch) -> None:
    launch("role", "import", json_file(world / "card.json", CARD))
    book = json.loads((world / "roles/mara-vell/wiki/lorebook.json").read_text("utf-8"))
    assert book["spec"] == "lorebook_v3"
    assert book["data"]["entries"][0]["content"] == "Mara Vell polishes the lens at noon."
    assert book["data"]["entries"][0]["extensions"] == {"odd": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_a_chinese_card_in_any_encoding(world: Path, launch: Launch, encoding: str) -> None:
    done = launch("role", "import", json_file(world / "安吉拉.json", CHINESE, encoding), "--id", "angela")
    assert done.status == 0, done.err
    role = read(world, "angela")
    assert (role.name, role.language) == ("安吉拉", "zh")
    assert role.about == "安吉拉是图书馆的管理员。"
    assert role.greeting == "*合上书* 晚上好。"
    assert "## 性格" in role.persona
    assert records(world, "angela")[0]["context"] == [{"name": "用户", "text": "灯亮了吗？"}]


def test_a_chinese_name_gets_some_id(world: Path, launch: Launch) -> None:
    assert launch("role", "import", json_file(world / "安吉拉.json", CHINESE)).status == 0
    assert [path.name.startswith("role-") for path in (world / "roles").iterdir()] == [True]


def test_the_newer_chunk_of_a_picture_wins(world: Path, launch: Launch) -> None:
    newer = {"spec": "chara_card_v3", "spec_version": "3.1", "data": {**CARD["data"], "nickname": "Mar"}}
    png = picture(text_chunk(b"Chara", CARD), text_chunk(b"ccv3", newer))
    (world / "mara.png").write_bytes(png)
    done = launch("role", "import", world / "mara.png")
    assert done.status == 0, done.err
    assert read(world, "mara-vell").aliases == ("Mar",)
    assert (world / "roles/mara-vell/card.png").read_bytes() == png
    assert "version 3.1" in done.out


def test_a_charx_brings_its_assets(world: Path, launch: Launch) -> None:
    icon = [{"type": "icon", "uri": "embeded://assets/icon/images/a.png", "name": "main", "ext": "png"}]
    card = {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**CARD["data"], "assets": icon}}
    files = {"card.json": json.dumps(card).encode(), "assets/icon/images/a.png": picture(), "assets/x.pkl": b"?"}
    done = launch("role", "import", zip_file(world / "mara.charx", files))
    assert done.status == 0, done.err
    folder = world / "roles/mara-vell"
    assert (folder / "card.png").read_bytes() == picture() == (folder / "assets/icon/images/a.png").read_bytes()
    assert "left out of the archive: assets/x.pkl" in done.out
    assert not (folder / "assets/x.pkl").exists()


def test_a_role_that_exists_is_refused(world: Path, launch: Launch) -> None:
    make_role(world / "roles/mara-vell", 'name = "Somebody"\n')
    done = launch("role", "import", json_file(world / "card.json", CARD))
    assert (done.status, "there is such a folder already" in done.err) == (1, True)
    assert read(world, "mara-vell").name == "Somebody"


def test_a_name_that_is_taken_is_refused(world: Path, launch: Launch) -> None:
    make_role(world / "roles/other", 'name = "mara vell"\n')
    done = launch("role", "import", json_file(world / "card.json", CARD))
    assert (done.status, "is called" in done.err) == (1, True)
    assert sorted(path.name for path in (world / "roles").iterdir()) == ["other"]


def test_a_room_takes_the_new_role(world: Path, launch: Launch) -> None:
    make_role(world / "roles/tobin", 'name = "Tobin"\n')
    launch("rooms", "new", "quay", "--roles", "tobin")
    done = launch("role", "import", json_file(world / "card.json", CARD), "--room", "quay")
    assert done.status == 0, done.err
    assert "mara-vell" in (world / "rooms/quay.toml").read_text("utf-8")


def test_an_unknown_room_stops_everything(world: Path, launch: Launch) -> None:
    done = launch("role", "import", json_file(world / "card.json", CARD), "--room", "nowhere")
    assert (done.status, [*(world / "roles").iterdir()]) == (1, [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Mara: the Keeper", "Mara the Keeper"),
        ("/Mara", "Mara"),
        ("Ma\u200bra\n", "Mara"),
        ("\u0410lice", "Alice"),
        ("x" * 300, "x" * 40),
        ("大家", "Beacon"),
    ],
    ids=("colon", "command", "invisible", "alike", "long", "everybody"),
)
def test_a_name_is_cleaned_and_told(world: Path, launch: Launch, name: str, shown: str) -> None:
    done = launch("role", "import", json_file(world / "Beacon.json", {**CHINESE, "name": name}), "--id", "who")
    assert done.status == 0, done.err
    assert read(world, "who").name == shown
    assert "can't stand at the table" in done.out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "neither a name nor a description"),
        ("[1]", "an object is missing"),
        ("{", "no JSON"),
        (" \n", "it is empty"),
        ('{"spec": "lorebook_v3", "data": {"entries": []}}', "a lorebook and no character card"),
        ('{"name": "A", "x": ' + "[" * 5_000 + "]" * 5_000 + "}", "nested too deeply"),
        ('{"name": "A", "x": ' + "[" * 100_000, "nested too deeply"),
    ],
    ids=("nobody", "list", "cut", "empty", "lorebook", "deep", "deeper"),
)
def test_what_is_no_card_is_told(world: Path, launch: Launch, text: str, told: str) -> None:
    (world / "bad.json").write_text(text)
    done = launch("role", "import", world / "bad.json")
    assert done.status == 1
    assert "bad.json" in done.err
    assert told in done.err
    assert [*(world / "roles").iterdir()] == []


@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"RIFF\x24\0\0\0WEBPVP8 "], ids=("jpeg", "webp"))
def test_other_pictures_are_named(world: Path, launch: Launch, head: bytes) -> None:
    (world / "mara.png").write_bytes(head + b"\1" * 40)
    done = launch("role", "import", world / "mara.png")
    assert (done.status, "only a PNG carries a card" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("description", "about"),
    [
        ("【基本信息】\n姓名：柳", ""),
        ("# Mara\n\n## Looks\nShe is tall. She is old.", "She is tall."),
        ("#1 in her class. Never late.", "1 in her class."),
    ],
    ids=("list", "headings", "number"),
)
def test_about_is_the_first_sentence(world: Path, launch: Launch, description: str, about: str) -> None:
    launch("role", "import", json_file(world / "card.json", {**CHINESE, "description": description}), "--id", "who")
    assert read(world, "who").about == about


def test_absurd_numbers_become_null(world: Path, launch: Launch) -> None:
    text = '{"name": "Ann", "a": NaN, "b": 1e999, "c": -Infinity, "d": ' + "9" * 5_000 + ', "extensions":'
    (world / "ann.json").write_text(text + ' {"talkativeness": 1e300}, "e": "\\ud800"}')
    done = launch("role", "import", world / "ann.json")
    assert (done.status, "4 numbers" in done.out) == (0, True)
    assert read(world, "ann").talkativeness == 1
    kept = json.loads((world / "roles/ann/card.json").read_text("utf-8"))["data"]
    assert (kept["a"], kept["b"], kept["c"], kept["d"], kept["e"]) == (None, None, None, None, "\ufffd")


def test_fields_of_wrong_shape_do_no_harm(world: Path, launch: Launch) -> None:
    card = {"name": "Ann", "description": ["x"], "first_mes": None, "mes_example": 7, "extensions": [], "tags": "a"}
    data = {**card, "character_book": "none", "alternate_greetings": {"a": 1}, "nickname": 3, "system_prompt": True}
    done = launch("role", "import", json_file(world / "ann.json", {"spec": "chara_card_v3", "data": data}))
    assert done.status == 0, done.err
    assert json.loads((world / "roles/ann/card.json").read_text("utf-8"))["data"]["description"] == ["x"]


def test_a_failed_import_leaves_nothing(world: Path, launch: Launch) -> None:
    big = {**CHINESE, "description": "a" * 1_200_000}
    done = launch("role", "import", json_file(world / "big.json", big), "--id", "big")
    assert (done.status, "persona.md" in done.err) == (1, True)
    assert [*(world / "roles").iterdir()] == []
    assert [path.name for path in world.iterdir() if path.name.startswith(".importing")] == []
