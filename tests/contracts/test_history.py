"""Every store of the room log keeps the promises of chatroom/history/base.py."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from chatroom import plugins
from chatroom.errors import HistoryError, RefusedError
from chatroom.history.base import EVERYTHING, Appended, History
from chatroom.messages import AnyEvent, Ended, Posted, Running, Speaker

KIND = "chatroom.history"
ANN = Speaker(id="~ann", name="Ann", kind="person")
MARA = Speaker(id="mara", name="Mara Vell", kind="role")

Reopen = Callable[[], History]


def posted(text: str, cid: str = "", *, at: float = 1.0, hears: set[str] | None = None) -> Posted:
    audience = None if hears is None else frozenset(hears)
    return Posted(at=at, id=f"m{at}", author=ANN, text=text, cid=cid, audience=audience)


def say(history: History, event: Posted) -> "asyncio.Future[Appended]":
    return asyncio.ensure_future(history.append("tavern", event, sender="~ann", cid=event.cid))


async def texts(history: History, reader: str = EVERYTHING, **bounds: int) -> list[str]:
    entries = await history.view("tavern", reader, **bounds)
    return [cast(Posted | Ended, entry.event).text for entry in entries]


@pytest.fixture(params=plugins.names(KIND))
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Opens the same log anew, as after a restart."""
    opened: list[History] = []

    def start() -> History:
        opened.append(plugins.load(KIND, request.param).History(tmp_path / "home"))
        return opened[-1]

    yield start
    for history in opened:
        await history.close()


@pytest.fixture
async def history(reopen: Reopen) -> History:
    history = reopen()
    await history.open_room("tavern")
    return history


async def test_seq_counts_from_one_per_room(history: History) -> None:
    await history.open_room("attic")
    places = [
        (await history.append(room, posted("hello"))).entry.seq for room in ("tavern", "attic", "tavern", "attic")
    ]
    assert places == [1, 1, 2, 2]


async def test_concurrent_appends_keep_calling_order(history: History) -> None:
    said = [str(number) for number in range(700)]
    appended = await asyncio.gather(*(say(history, posted(text)) for text in said))
    assert [one.entry.seq for one in appended] == list(range(1, 701))
    assert await texts(history, limit=1000) == said


async def test_events_come_back_as_they_were(history: History) -> None:
    events: list[AnyEvent] = [
        posted("你好\n\x00 <|end|> 🏮", "c1", at=17.25, hears={"~ann", "mara"}),
        Ended(at=2.5, id="t1", author=MARA, text="Mind the step.", status="failed", seed=7, code="x", error="y"),
    ]
    for event in events:
        await history.append("tavern", event)
    assert [entry.event for entry in await history.view("tavern", EVERYTHING)] == events


async def test_whispers_reach_only_their_audience(history: History) -> None:
    for event in (posted("open"), posted("secret", hears={"~ann", "mara"}), posted("nobody", hears=set())):
        await history.append("tavern", event)
    assert await texts(history, "~ann") == ["open", "secret"]
    assert await texts(history, "mara") == ["open", "secret"]
    assert await texts(history, "~bob") == ["open"]
    assert await texts(history, "~an") == ["open"]
    assert await texts(history, EVERYTHING) == ["open", "secret", "nobody"]


async def test_prev_skips_what_readers_cannot_see(history: History) -> None:
    whispered = {2, 3, 5}
    for number in range(1, 7):
        await history.append("tavern", posted(str(number), hears={"~ann"} if number in whispered else None))

    async def chain(reader: str, **bounds: int) -> list[tuple[int, int]]:
        return [(entry.prev, entry.seq) for entry in await history.view("tavern", reader, **bounds)]

    assert await chain("~ann") == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    assert await chain("~bob") == [(0, 1), (1, 4), (4, 6)]
    assert await chain("~bob", after=2) == [(1, 4), (4, 6)]
    assert await chain("~bob", before=6, limit=1) == [(1, 4)]


async def test_pages_meet_without_overlap(history: History) -> None:
    for number in range(1, 11):
        await history.append("tavern", posted(str(number)))
    assert await texts(history, limit=3) == ["8", "9", "10"]
    assert await texts(history, before=8, limit=3) == ["5", "6", "7"]
    assert await texts(history, before=2, limit=3) == ["1"]
    assert await texts(history, after=0, limit=3) == ["1", "2", "3"]
    assert await texts(history, after=9) == ["10"]
    assert await texts(history, after=10) == []


async def test_same_cid_is_posted_once(history: History, reopen: Reopen) -> None:
    first = await say(history, posted("hello", "c1", at=1.0))
    burst = await asyncio.gather(*(say(history, posted("hello", "c1", at=2.0 + n)) for n in range(50)))
    await history.close()
    later = await say(reopen(), posted("hello", "c1", at=99.0))
    assert not first.dup
    assert {(one.dup, one.entry) for one in [*burst, later]} == {(True, first.entry)}


async def test_cid_with_other_text_is_refused(history: History, reopen: Reopen) -> None:
    await say(history, posted("hello", "c1"))
    with pytest.raises(RefusedError) as refused:
        await say(history, posted("goodbye", "c1"))
    assert refused.value.code == "cid_conflict"
    await history.close()
    again = reopen()
    with pytest.raises(RefusedError):
        await say(again, posted("hello", "c1", hears={"~ann"}))
    assert await texts(again) == ["hello"]


async def test_cid_belongs_to_one_sender(history: History) -> None:
    await history.append("tavern", posted("mine", "c1"), sender="~ann", cid="c1")
    other = await history.append("tavern", posted("yours", "c1"), sender="~bob", cid="c1")
    assert not other.dup
    assert await texts(history) == ["mine", "yours"]


async def test_refusal_leaves_its_neighbours_alone(history: History) -> None:
    await say(history, posted("hello", "c1"))
    results = await asyncio.gather(
        *(say(history, event) for event in (posted("a"), posted("no", "c1"), posted("b"))), return_exceptions=True
    )
    assert isinstance(results[1], RefusedError)
    assert await texts(history) == ["hello", "a", "b"]


async def test_epoch_outlives_a_restart(history: History, reopen: Reopen) -> None:
    await history.append("tavern", posted("hello"))
    epoch, head = await history.open_room("tavern")
    other, _ = await history.open_room("attic")
    await history.close()
    assert await reopen().open_room("tavern") == (epoch, head) == (epoch, 1)
    assert epoch not in ("", other)


async def test_interrupted_turn_ends_with_words(history: History, reopen: Reopen) -> None:
    turn = Running(id="t1", author=MARA, text="The lamp", audience=frozenset({"~ann", "mara"}), seed=3)
    await history.checkpoint("tavern", turn)
    await history.checkpoint("tavern", Running(id="t1", author=MARA, text="The lamp is", audience=turn.audience))
    await history.close()
    again = reopen()
    _, head = await again.open_room("tavern")
    (entry,) = await again.view("tavern", "~ann")
    ended = cast(Ended, entry.event)
    assert (head, entry.seq, ended.id, ended.author) == (1, 1, "t1", MARA)
    assert (ended.status, ended.text) == ("interrupted", "The lamp is")
    assert await again.view("tavern", "~bob") == []
    assert (await again.open_room("tavern"))[1] == 1


async def test_ended_turn_is_not_interrupted(history: History, reopen: Reopen) -> None:
    turn = Running(id="t1", author=MARA, text="The lamp")
    ended = Ended(at=1.0, id="t1", author=MARA, text="The lamp is lit.", status="complete")
    await asyncio.gather(history.checkpoint("tavern", turn), history.append("tavern", ended))
    await history.checkpoint("tavern", turn)  # one that came late
    await history.close()
    again = reopen()
    assert (await again.open_room("tavern"))[1] == 1
    assert await texts(again) == ["The lamp is lit."]


async def test_cancelled_append_harms_nobody(history: History) -> None:
    doomed = say(history, posted("doomed"))
    asyncio.get_running_loop().call_soon(doomed.cancel)  # when it is on its way
    appended = await say(history, posted("next"))
    assert (await texts(history))[-1] == "next"
    assert appended.entry.seq == len(await texts(history))


async def test_closed_log_answers_with_an_error(history: History) -> None:
    await history.close()
    await history.close()
    for _ in range(2):
        with pytest.raises(HistoryError):
            await history.append("tavern", posted("late"))
    with pytest.raises(HistoryError):
        await history.view("tavern", EVERYTHING)


async def test_broken_text_is_refused_alone(history: History) -> None:
    with pytest.raises(HistoryError):
        await history.append("tavern", posted("\ud800"))
    await history.append("tavern", posted("fine"))
    assert await texts(history) == ["fine"]


# --- what only the sqlite store promises ------------------------------------------------------------------------------


async def sqlite_home(home: Path, count: int) -> tuple[str, int]:
    """Opens the log at `home`, says `count` things and tells epoch and head."""
    history: History = plugins.load(KIND, "sqlite").History(home)
    await history.open_room("tavern")
    for number in range(count):
        await history.append("tavern", posted(str(number)))
    opened = await history.open_room("tavern")
    await history.close()
    return opened


async def test_older_copy_gets_another_epoch(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    epoch, _ = await sqlite_home(home, 3)
    shutil.copy(home / "rooms.db", copy)
    assert await sqlite_home(home, 2) == (epoch, 5)
    shutil.copy(copy, home / "rooms.db")
    restored, head = await sqlite_home(home, 0)
    assert (restored != epoch, head) == (True, 3)
    assert await sqlite_home(home, 1) == (restored, 4)


async def test_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    await sqlite_home(tmp_path, 1)
    connection = sqlite3.connect(tmp_path / "rooms.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HistoryError, match=r"rooms\.db was written by a newer chatroom \(schema 99"):
        plugins.load(KIND, "sqlite").History(tmp_path)


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rooms.db").write_bytes(b"these are not the rows you are looking for" * 100)
    with pytest.raises(HistoryError, match=r"rooms\.db"):
        plugins.load(KIND, "sqlite").History(tmp_path)


async def test_failed_commit_reaches_every_waiter(tmp_path: Path) -> None:
    history: History = plugins.load(KIND, "sqlite").History(tmp_path)
    await history.open_room("tavern")
    outside = sqlite3.connect(tmp_path / "rooms.db")
    outside.execute("ALTER TABLE events RENAME TO away")
    results = await asyncio.gather(*(say(history, posted(str(n))) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [HistoryError] * 5
    with pytest.raises(HistoryError):
        await history.view("tavern", EVERYTHING)
    outside.execute("ALTER TABLE away RENAME TO events")
    outside.close()
    assert (await say(history, posted("back"))).entry.seq == 1
    assert await texts(history) == ["back"]
    await history.close()
