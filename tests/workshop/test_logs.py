"""Chats of SillyTavern and our own log: who spoke, who heard it, and what no longer counts."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from chatroom import plugins
from chatroom.history.base import History
from chatroom.messages import AnyEvent, Ended, Joined, Left, Posted, Retried, Speaker
from finetune.corpora import room_log, sillytavern, table
from finetune.corpora.base import CorpusFile, Head, Options
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

Told = list[tuple[str, str]]

ANN = Speaker(id="~ann", name="Ann", kind="person")
BO = Speaker(id="~bo", name="Bo", kind="person")
MARA = Speaker(id="mara", name="Mara Vell", kind="role")
ILSE = Speaker(id="ilse", name="Ilse", kind="role")


def read(format: ModuleType, path: Path, pause: int = 180) -> tuple[list[Scene], Told]:
    told: Told = []
    file = CorpusFile(
        name=path.name,
        path=path,
        skip=lambda place, reason: told.append((place, reason)),
        options=Options(pause=pause),
    )
    return list(format.read(file)), told


def said(scene: Scene) -> list[tuple[str, str]]:
    return [(line.name, line.text) for line in scene.lines]


# --- SillyTavern ------------------------------------------------------------------------------------------------------


def chat(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return path


def message(name: str, mes: str, **more: object) -> dict[str, object]:
    return {"name": name, "is_user": name == "Ann", "is_system": False, "send_date": "July 2, 2024", "mes": mes, **more}


SOLO = {
    "user_name": "Ann",
    "character_name": "Mara",
    "create_date": "2024-7-2",
    "chat_metadata": {"scenario": "An inn."},
}


def test_a_solo_chat_reads_with_its_header(tmp_path: Path) -> None:
    path = chat(
        tmp_path / "a.jsonl",
        SOLO,
        message("Mara", "Welcome, {{user}}. I am {{Char}}.", swipes=["Go away.", "Welcome, {{user}}."], swipe_id=1),
        message("Ann", "<USER> greets <BOT>."),
        message("Ann", "Rain falls.", extra={"type": "narrator"}),
        message("System", "The chat was renamed.", is_system=True),
        message("Mara", "  "),
    )
    (scene,), told = read(sillytavern, path)
    assert said(scene) == [("Mara", "Welcome, Ann. I am Mara."), ("Ann", "Ann greets Mara."), ("", "Rain falls.")]
    assert scene.premise == "An inn."
    assert [place for place, _ in told] == ["line 5", "line 6"]


@pytest.mark.parametrize("header", [[], [{"chat_metadata": {}, "user_name": "unused", "character_name": "unused"}]])
def test_a_group_reads_with_or_without_header(tmp_path: Path, header: list[object]) -> None:
    rows = [
        message("Mara", "{{char}} waits for {{user}}."),
        message("Ilse", "So does {{char}}."),
        message("Ann", "Here!"),
    ]
    (scene,), told = read(sillytavern, chat(tmp_path / "a.jsonl", *header, *rows))
    assert said(scene) == [("Mara", "Mara waits for Ann."), ("Ilse", "So does Ilse."), ("Ann", "Here!")]
    assert told == []


def test_presence_becomes_an_audience(tmp_path: Path) -> None:
    header = {"chat_metadata": {"ignore_presence": ["narr.png"]}, "user_name": "unused", "character_name": "unused"}
    both, one = ["mara_v2.png", "ilse.png", "narr.png"], ["mara_v2.png"]
    rows = [
        message("Ann", "To all.", present=both),
        message("Ann", "Only to you.", present=one),
        message("Mara", "I see.", present=one, original_avatar="mara_v2.png"),
        message("Ilse", "Hm?", present=["ilse.png"], force_avatar="/thumbnail?type=avatar&file=ilse.png"),
        message("Ann", "To nobody.", present=[]),
        message("Ann", "To whom?"),
    ]
    (scene,), _ = read(sillytavern, chat(tmp_path / "a.jsonl", header, *rows))
    assert [line.audience for line in scene.lines] == [
        None,
        ("Ann", "Mara", "narr"),
        ("Ann", "Mara", "narr"),
        ("Ann", "Ilse", "narr"),
        ("Ann", "narr"),
        None,
    ]


def test_a_start_mark_begins_a_scene(tmp_path: Path) -> None:
    rows = [
        message("Mara", "One."),
        message("Mara", "<START>"),
        message("Mara", "<START>\nTwo."),
        message("Ann", "Three."),
    ]
    first, second = read(sillytavern, chat(tmp_path / "a.jsonl", *rows))[0]
    assert (said(first), said(second)) == ([("Mara", "One.")], [("Mara", "Two."), ("Ann", "Three.")])


def test_a_damaged_message_is_told(tmp_path: Path) -> None:
    rows = [SOLO, "{broken", message("Mara", "Hi."), {"mes": 5}, {"mes": "Who?"}, "[]", {"present": 1, "mes": None}]
    (scene,), told = read(sillytavern, chat(tmp_path / "a.jsonl", *rows))
    assert said(scene) == [("Mara", "Hi."), ("Mara", "Who?")]
    assert [place for place, _ in told] == ["line 2", "line 4", "line 6", "line 7"]


# --- the room log -----------------------------------------------------------------------------------------------------


def posted(number: int, text: str, *, by: Speaker = ANN, at: float = 0.0, to: Sequence[str] | None = None) -> Posted:
    audience = None if to is None else frozenset(to)
    return Posted(id=f"m{number}", author=by, text=text, cid=f"c{number}", at=at, audience=audience)


def ended(number: int, text: str, *, by: Speaker = MARA, at: float = 0.0, to: Sequence[str] | None = None) -> Ended:
    audience = None if to is None else frozenset(to)
    return Ended(id=f"t{number}", author=by, text=text, status="complete", at=at, audience=audience)


def kept(home: Path, events: Sequence[AnyEvent], room: str = "inn") -> Path:
    asyncio.run(_kept(home, events, room))
    return home / "rooms.db"


async def _kept(home: Path, events: Sequence[AnyEvent], room: str) -> None:
    history = _history(home)
    await history.open_room(room)
    await asyncio.gather(*(history.append(room, event) for event in events))
    await history.close()


def _history(home: Path) -> History:
    found: History = plugins.load("chatroom.history", "sqlite").History(home)
    return found


def test_a_rooms_talk_is_what_its_readers_see(tmp_path: Path) -> None:
    events = [
        Joined(who=ANN, at=1),
        Joined(who=MARA, cid="x", at=1),
        posted(1, "Good evening.", at=2),
        ended(1, "Go away.", at=3),
        Retried(supersedes="t1", by="~ann", cid="r", at=4),
        ended(2, "Evening.", at=5),
        ended(3, "", at=6),
        Left(who=MARA, cid="y", at=7),
    ]
    (scene,), told = read(room_log, kept(tmp_path, events))
    assert said(scene) == [("Ann", "Good evening."), ("Mara Vell", "Evening.")]
    assert (scene.title, scene.source) == ("inn", "rooms.db, room inn, line 3")
    assert told == []


def test_whispers_keep_their_audience_as_names(tmp_path: Path) -> None:
    events = [
        Joined(who=ANN, at=1),
        Joined(who=BO, at=1),
        posted(1, "Psst.", at=2, to=["~ann", "mara"]),
        ended(1, "Yes?", at=3, to=["~ann", "mara"]),
        posted(2, "Hello all.", by=BO, at=4),
    ]
    (scene,), _ = read(room_log, kept(tmp_path, events))
    assert [line.audience for line in scene.lines] == [("Ann", "Mara Vell"), ("Ann", "Mara Vell"), None]


def test_silence_and_rooms_part_scenes(tmp_path: Path) -> None:
    kept(tmp_path, [posted(1, "One.", at=60), posted(2, "Two.", at=660), posted(3, "Three.", at=1320)])
    path = kept(tmp_path, [posted(1, "Four.", at=60)], room="barn")
    scenes, _ = read(room_log, path, pause=10)
    assert [(scene.title, [text for _, text in said(scene)]) for scene in scenes] == [
        ("barn", ["Four."]),
        ("inn", ["One.", "Two."]),
        ("inn", ["Three."]),
    ]


def test_without_times_a_newcomer_parts_scenes(tmp_path: Path) -> None:
    events: list[AnyEvent] = [posted(number, f"{number}") for number in range(230)]
    events[100:100] = [Joined(who=MARA, cid="a", at=0)]
    events[221:221] = [Joined(who=ILSE, cid="b", at=0)]
    scenes, _ = read(room_log, kept(tmp_path, events))
    assert [len(scene.lines) for scene in scenes] == [220, 10]


def test_a_long_log_is_read_to_its_end(tmp_path: Path) -> None:
    events: list[AnyEvent] = [posted(number, f"{number}", at=number + 1) for number in range(5000)]
    events.insert(2500, Retried(supersedes="m2499", by="~ann", cid="r", at=2500))
    (scene,), _ = read(room_log, kept(tmp_path, events))
    assert [line.text for line in scene.lines] == [f"{number}" for number in range(5000) if number != 2499]


def test_an_open_log_is_read_and_not_touched(tmp_path: Path) -> None:
    async def during() -> tuple[list[Scene], bytes, bytes]:
        history = _history(tmp_path)
        await history.open_room("inn")
        await history.append("inn", posted(1, "Still here.", at=1))
        before = (tmp_path / "rooms.db").read_bytes()
        scenes, _ = read(room_log, tmp_path / "rooms.db")
        after = (tmp_path / "rooms.db").read_bytes()
        await history.append("inn", posted(2, "And writing.", at=2))
        await history.close()
        return scenes, before, after

    (scene,), before, after = asyncio.run(during())
    assert said(scene) == [("Ann", "Still here.")]
    assert before == after
    assert len(read(room_log, tmp_path / "rooms.db")[0][0].lines) == 2


def test_a_closed_log_leaves_no_files_beside_it(tmp_path: Path) -> None:
    path = kept(tmp_path, [posted(1, "Hello.", at=1)])
    before = sorted(os.listdir(tmp_path))
    read(room_log, path)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_damaged_event_is_told(tmp_path: Path) -> None:
    path = kept(tmp_path, [posted(1, "One.", at=1), posted(2, "Two.", at=2), posted(3, "Three.", at=3)])
    with sqlite3.connect(path) as connection:
        connection.execute('UPDATE events SET body = \'{"event": "sung"}\' WHERE seq = 2')
    connection.close()
    (scene,), told = read(room_log, path)
    assert said(scene) == [("Ann", "One."), ("Ann", "Three.")]
    assert [place for place, _ in told] == ["room inn, line 2"]


def test_a_log_is_told_from_other_databases(tmp_path: Path) -> None:
    path = kept(tmp_path, [posted(1, "One.", at=1)])
    ours = Head(suffix=".db", data=path.read_bytes()[:65536], text="")
    assert room_log.claims(ours) > table.claims(ours)
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE says (speaker TEXT, text TEXT)")
    connection.close()
    other = Head(suffix=".db", data=(tmp_path / "other.db").read_bytes(), text="")
    assert room_log.claims(other) == 0 < table.claims(other)
    with pytest.raises(UnreadableError, match="no log of this chatroom"):
        read(room_log, tmp_path / "other.db")
