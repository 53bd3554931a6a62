"""Lorebooks as many programs write them, whole and broken."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.documents import Document, Rule
from knowledge.errors import UnreadableError
from knowledge.sources import load
from knowledge.sources.base import SourceFile

LAMP = {"key": ["lamp"], "content": "The lamp burns whale oil.", "comment": "The lamp"}


class Reader:
    """Writes a file, reads it and keeps what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[tuple[str, str]] = []

    def file(self, content: bytes, name: str) -> SourceFile:
        path = self.folder / name
        path.write_bytes(content)
        return SourceFile(name=name, path=path, skip=lambda place, problem: self.told.append((place, problem)))

    def bytes(self, content: bytes, name: str = "lore.json") -> list[Document]:
        return list(load("lorebook").read(self.file(content, name)))

    def json(self, value: object) -> list[Document]:
        return self.bytes(json.dumps(value).encode())

    def one(self, **entry: object) -> Document:
        (document,) = self.json({"entries": {"0": {**LAMP, **entry}}})
        return document

    def rule(self, **entry: object) -> Rule:
        rule = self.one(**entry).rule
        assert rule
        return rule


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def texts(documents: list[Document]) -> list[str]:
    return [section.text for document in documents for section in document.sections]


def png(**cards: object) -> bytes:
    chunks = [_chunk(b"IHDR", b"\0" * 13)]
    for keyword, card in cards.items():
        text = card if isinstance(card, bytes) else base64.b64encode(json.dumps(card).encode())
        chunks.append(_chunk(b"tEXt", keyword.encode() + b"\0" + text))
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, _chunk(b"IDAT", b"x" * 9), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def card(*entries: object, **data: object) -> dict[str, object]:
    book = {"entries": list(entries)}
    return {"spec": "chara_card_v3", "data": {"name": "Mara Vell", "character_book": book, **data}}


def test_world_info_becomes_documents_with_rules(reader: Reader) -> None:
    entry = {
        "uid": 4,
        "key": ["lamp", "/oil.?/i", "lantern"],
        "keysecondary": ["night"],
        "comment": "The lamp",
        "content": "It burns whale oil.",
        "selective": True,
        "selectiveLogic": 2,
        "order": 30,
        "scanDepth": 2,
        "caseSensitive": True,
        "matchWholeWords": True,
        "excludeRecursion": True,
        "preventRecursion": True,
        "delayUntilRecursion": 1,
        "characterFilter": {"isExclude": False, "names": ["mara", "Tobin.png"], "tags": []},
    }
    (document,) = reader.json({"entries": {"4": entry}, "originalData": {"entries": [LAMP]}})
    assert (document.source, document.place, document.id) == ("lore.json", "entry 4", "4")
    assert (document.title, document.aliases) == ("The lamp", ("lamp", "lantern"))
    assert document.audience == ("mara", "Tobin")
    assert texts([document]) == ["It burns whale oil."]
    assert document.rule == Rule(
        keys=("lamp", "/oil.?/i", "lantern"),
        secondary=("night",),
        logic="not_any",
        order=30,
        depth=2,
        case_sensitive=True,
        whole_words=True,
        recursive=True,
        excluded=True,
        silent=True,
        delayed=True,
    )
    assert not reader.told


def test_a_cards_book_is_read_with_its_settings(reader: Reader) -> None:
    entry = {
        "keys": ["{{char}}", "{{user}}"],
        "secondary_keys": ["sea"],
        "content": "{{char}} keeps the light.",
        "insertion_order": 7,
        "enabled": True,
        "id": "a1",
        "name": "Keeper",
        "case_sensitive": None,
        "extensions": {
            "match_whole_words": True,
            "selectiveLogic": 3,
            "prevent_recursion": True,
            "case_sensitive": True,
        },
    }
    book = {"entries": [entry], "scan_depth": 9, "recursive_scanning": False}
    (document,) = reader.json({"spec": "chara_card_v2", "data": {"name": "Mara", "character_book": book}})
    assert (document.place, document.title, texts([document])) == ("entry a1", "Keeper", ["Mara keeps the light."])
    assert document.rule == Rule(
        keys=("Mara",), secondary=("sea",), logic="and_all", order=7, depth=9, whole_words=True, silent=True,
        case_sensitive=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "book",
    [
        {"spec": "lorebook_v3", "data": {"entries": [{"keys": ["lamp"], "content": "Oil.", "enabled": True}]}},
        {"entries": [{"key": "lamp", "content": "Oil."}]},
        {"kind": "memory", "entries": [{"name": "L", "entry": "Oil.", "keywords": ["lamp"], "enabled": True}]},
        {"lorebookVersion": 5, "entries": [{"displayName": "L", "text": "Oil.", "keys": ["lamp"], "enabled": True}]},
        {
            "type": "risu",
            "ver": 1,
            "data": [{"key": "lamp, light", "comment": "L", "content": "Oil.", "secondkey": ""}],
        },
        {"character_book": {"entries": [{"keys": ["lamp"], "content": "Oil."}]}, "name": "V1 with a book"},
    ],
)
def test_other_programs_books_are_read(reader: Reader, book: object) -> None:
    documents = reader.json(book)
    assert texts(documents) == ["Oil."]
    assert documents[0].rule
    assert documents[0].rule.keys[0] == "lamp"


def test_fields_of_other_programs_keep_meaning(reader: Reader) -> None:
    novel = {"text": "A", "forceActivation": True, "contextConfig": {"budgetPriority": 400}}
    risu = {"content": "B", "key": "a，b, /x{1,2}/i, c", "secondkey": "d,e", "selective": True, "alwaysActive": True}
    agnai = {"entry": "C", "keywords": ["k"], "weight": "12"}
    rules = [document.rule for document in reader.json({"entries": [novel, risu, agnai]})]
    assert rules == [
        Rule(constant=True, order=400, recursive=True),
        Rule(keys=("a", "b", "/x{1,2}/i", "c"), secondary=("d", "e"), constant=True, recursive=True),
        Rule(keys=("k",), order=12, recursive=True),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"disable": True},
        {"enabled": False},
        {"disable": "true"},
        {"content": " "},
        {"content": "@@dont_activate\nOil."},
    ],
)
def test_disabled_and_empty_entries_pass_silently(reader: Reader, entry: dict[str, object]) -> None:
    assert reader.json({"entries": [{**LAMP, **entry}]}) == []
    assert reader.told == []


def test_an_unselective_entry_needs_no_secondary(reader: Reader) -> None:
    assert reader.rule(keysecondary=["night"], selective=False).secondary == ()
    assert reader.rule(keysecondary=["night"]).secondary == ("night",)


def test_titles_fall_back_to_keys_and_numbers(reader: Reader) -> None:
    assert reader.one(comment="", key=["/x/", "lamp"]).title == "lamp"
    assert reader.one(comment=None, key=[]).title == "entry 0"
    assert reader.one(comment="two\nlines").title == "two lines"
    assert reader.one(comment="lamp", key=["lamp", "light"]).aliases == ("light",)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("@@depth 5\n@@scan_depth 3\nOil.", Rule(keys=("lamp",), depth=3, recursive=True)),
        ("@@activate\n@@dont_activate\nOil.", Rule(keys=("lamp",), constant=True, recursive=True)),
        ("@@additional_keys sea, fog\n@@@x\nOil.", Rule(keys=("lamp",), secondary=("sea", "fog"), recursive=True)),
        ("@@exclude_keys day\n\nOil.", Rule(keys=("lamp",), secondary=("day",), logic="not_any", recursive=True)),
        ("Oil.", Rule(keys=("lamp",), recursive=True)),
    ],
)
def test_decorators_are_honoured_and_never_shown(reader: Reader, written: str, expected: Rule) -> None:
    document = reader.one(content=written)
    assert (texts([document]), document.rule) == (["Oil."], expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{{char}} and {{User}}", "Mara Vell and the player"),
        ("<BOT>认识{{user}}", "Mara Vell认识玩家"),
        ("{{random: red, blue }} {{pick::one::two}}", "red one"),
        ("a{{// {a} note: x}}b{{comment: x}}", "a{{// {a} note: x}}b"),
        ("a{{// note: x}}b", "ab"),
        ("{{random:{{char}},x}}", "Mara Vell"),
        ("{{trim}} {single} {{", "trim {single} {{"),
    ],
)
def test_macros_become_plain_text(reader: Reader, written: str, expected: str) -> None:
    assert texts(reader.json(card({"keys": ["a"], "content": written}))) == [expected]


def test_a_nickname_stands_for_the_name(reader: Reader) -> None:
    assert texts(reader.json(card({"keys": ["a"], "content": "{{char}}"}, nickname="Mara"))) == ["Mara"]


def test_keys_that_name_nobody_known_go(reader: Reader) -> None:
    assert reader.rule(key=["{{char}}", "<USER>", "lamp"]).keys == ("lamp",)


@pytest.mark.parametrize(
    "shown_to",
    [
        {"isExclude": True, "names": ["tobin"], "tags": []},
        {"isExclude": False, "names": ["mara"], "tags": ["t1"]},
        {"isExclude": False, "names": [], "tags": ["t1"]},
        {"isExclude": "True", "names": ["tobin"]},
        {"isExclude": False, "names": [7.5, None]} | {"names": [""]},
        {"names": "mara"},
        ["mara"],
        "mara",
    ],
)
@pytest.mark.parametrize("where", ["characterFilter", "character_filter"])
def test_an_unsayable_filter_hides_the_entry(reader: Reader, where: str, shown_to: object) -> None:
    entry = {**LAMP, where: shown_to} if where == "characterFilter" else {**LAMP, "extensions": {where: shown_to}}
    assert reader.json({"entries": {"3": entry}}) == []
    assert [place for place, problem in reader.told if "left out" in problem] == ["entry 3"]


@pytest.mark.parametrize("shown_to", [None, {}, [], {"isExclude": True, "names": [], "tags": []}, {"names": None}])
def test_an_empty_filter_hides_nothing(reader: Reader, shown_to: object) -> None:
    assert reader.one(characterFilter=shown_to).audience is None


def test_an_audience_of_its_own_counts(reader: Reader) -> None:
    assert reader.one(audience=["mara"]).audience == ("mara",)
    both = {**LAMP, "audience": ["mara"], "characterFilter": {"names": ["tobin"]}}
    assert reader.json({"entries": [{**LAMP, "audience": []}, both]}) == []
    assert [place for place, _ in reader.told] == ["entry 1", "entry 2"]


def test_broken_keys_are_named_and_dropped(reader: Reader) -> None:
    assert reader.rule(key=["/(/", "lamp", "x" * 3_000]).keys == ("lamp",)
    assert [place for place, _ in reader.told] == ["entry 0", "entry 0"]
    assert "/(/" in reader.told[0][1]


def test_an_entry_with_endless_keys_is_cut(reader: Reader) -> None:
    many = [f"key {number}" for number in range(2_000)]
    assert reader.rule(key=many).keys == tuple(many[:1_000])
    assert reader.json({"entries": [{**LAMP, "keysecondary": many}]}) == []
    assert [place for place, _ in reader.told] == ["entry 0", "entry 1"]


def test_endless_decorators_and_macros_are_read(reader: Reader) -> None:
    (document,) = reader.json(
        card({"keys": ["a"], "content": "@@x\n" * 50_000 + "{{char}}" * 50_000}, name="M" * 50_000)
    )
    assert texts([document]) == ["M" * 200 * 50_000]


def test_a_broken_secondary_key_drops_the_entry(reader: Reader) -> None:
    assert reader.json({"entries": [{**LAMP, "keysecondary": ["/(/"]}]}) == []
    assert reader.told[0][0] == "entry 1"


def test_what_is_not_known_is_told_once(reader: Reader) -> None:
    entries = [{**LAMP, "probability": 40, "sticky": 3} for _ in range(12)]
    entries += [{**LAMP, "probability": 40, "useProbability": False, "group": "", "sticky": 0, "cooldown": None}]
    assert len(reader.json({"entries": entries})) == 13
    ((place, problem),) = reader.told
    assert place == ""
    assert "probability (12), counting of turns (12)" in problem


def test_sloppy_values_are_read_as_meant(reader: Reader) -> None:
    rule = reader.rule(
        key="lamp, 灯，light,", constant="false", order="20", scanDepth="3.0", caseSensitive=1, keysecondary=None
    )
    assert rule == Rule(keys=("lamp", "灯", "light"), order=20, depth=3, case_sensitive=True, recursive=True)
    assert reader.rule(order="high", scanDepth=-4, selectiveLogic=9) == Rule(keys=("lamp",), recursive=True)
    assert reader.rule(order=1e400, scanDepth=1e11, delayUntilRecursion="false").depth == 1_000
    assert not reader.rule(delayUntilRecursion="false").delayed
    assert reader.rule(key="/x/z, lamp").keys == ("/x/z", "lamp")


@pytest.mark.parametrize("entry", [None, 7, "lamp", [], ["lamp"], {"key": ["a"]}, {"content": {"text": "x"}}])
def test_a_wrong_entry_is_named_alone(reader: Reader, entry: object) -> None:
    assert len(reader.json({"entries": {"0": entry, "1": LAMP}})) == 1
    assert [place for place, _ in reader.told] == ["entry 0"]


def test_duplicate_ids_get_places_of_their_own(reader: Reader) -> None:
    documents = reader.json({"entries": [{**LAMP, "uid": 1}, {**LAMP, "uid": 1}, {**LAMP, "uid": "a\x1b[2J\n"}, LAMP]})
    assert [document.place for document in documents] == ["entry 1", "entry 1 (2)", r"entry a\x1b[2J\n", "entry 4"]


def test_json_as_programs_write_it_is_read(reader: Reader) -> None:
    content = b'\xef\xbb\xbf\n {"entries": {"0": {"key": ["a"], "order": NaN, "content": "two\nlines \\ud83d"}}}'
    (document,) = reader.bytes(content)
    assert texts([document]) == ["two\nlines ?"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"entries": {', "no JSON"),
        (b'{"name": "Mara", "first_mes": "Hi"}', "no lorebook"),
        (b'{"spec": "chara_card_v2", "data": {"name": "Mara", "character_book": null}}', "persona"),
        (b'{"title": "a page", "text": "of a wiki"}', "no entries"),
        (b'{"entries": 7}', "no entries"),
        pytest.param(b'{"entries":' + b"[" * 200_000, "nested", id="deep list"),
        pytest.param(b'{"a":' * 200_000, "nested", id="deep object"),
        pytest.param(b'{"entries": [' + b"1" * 5_000 + b"]}", "no JSON", id="long number"),
    ],
)
def test_files_that_are_no_lorebook_are_refused(reader: Reader, content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem) as caught:
        reader.bytes(content)
    assert caught.value.file == "lore.json"


def test_a_pictures_newer_card_is_read(reader: Reader) -> None:
    old, new = (card({"keys": ["a"], "content": text}) for text in ("old", "new"))
    assert texts(reader.bytes(png(chara=old), "mara.png")) == ["old"]
    assert texts(reader.bytes(png(chara=old, ccv3=new), "mara.png")) == ["new"]
    assert texts(reader.bytes(png(Comment=b"hello", Chara=old), "mara.png")) == ["old"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(png(), "no character card", id="no text"),
        pytest.param(png(Comment=b"hello"), "no character card", id="other text"),
        pytest.param(png(chara=b"%%%"), "damaged", id="no base64"),
        pytest.param(png(chara=base64.b64encode(b"\xff\xfe")), "damaged", id="no utf-8"),
        pytest.param(png(chara=base64.b64encode(b"[]")), "no lorebook", id="a list"),
        pytest.param(png(chara={"spec": "chara_card_v2", "data": {"name": "Mara"}}), "persona", id="no book"),
        pytest.param(png(chara=card(LAMP)).replace(b"chara\0", b"chara\1"), "damaged", id="wrong checksum"),
        pytest.param(png(chara=card(LAMP))[:80], "damaged", id="cut"),
        pytest.param(png()[:8] + struct.pack(">I", 2**32 - 1) + b"tEXtchara\0", "MB of text", id="a huge text"),
        pytest.param(png()[:8] + struct.pack(">I", 2**32 - 1) + b"IDAT", "no character card", id="a huge picture"),
        pytest.param(png()[:8], "no character card", id="a head"),
    ],
)
def test_pictures_without_a_card_are_refused(reader: Reader, content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        reader.bytes(content, "mara.png")


def test_claims_go_by_how_files_begin() -> None:
    claims = load("lorebook").claims
    assert claims(b'\xef\xbb\xbf \n{"entries"')
    assert claims(png()[:4096])
    assert not claims(b'[{"text": "a"}]')
    assert not claims(b"\xff\xd8\xff\xe0 JFIF")


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.one_of(
    st.sampled_from(["key", "keys", "content", "comment", "extensions", "selectiveLogic", "keysecondary", "order"]),
    st.sampled_from(["scanDepth", "uid", "characterFilter", "disable", "probability", "group", "contextConfig"]),
    st.sampled_from(["delayUntilRecursion", "audience"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.dictionaries(NAMES, VALUES) | VALUES, max_size=4), VALUES)
def test_no_value_breaks_the_reader(reader: Reader, entries: list[object], other: object) -> None:
    found = reader.json({"entries": [*entries, LAMP], "scan_depth": other, "recursive_scanning": other})
    assert texts(found)[-1] == LAMP["content"]
    assert all(document.title and document.rule for document in found)
