"""A connection without a socket, for screens: the test says what is heard and sees what the user does."""

import asyncio
from collections.abc import AsyncIterator, Callable

from textual.pilot import Pilot

from chatroom.clients.base import News, Offline, Online, State
from chatroom.errors import RefusedError
from chatroom.frames import (
    Delta,
    EndFrame,
    Floor,
    Limits,
    Ok,
    PostedFrame,
    RoomState,
    Seated,
    Start,
    Welcome,
)
from chatroom.messages import Speaker

ANN = Speaker(id="~ann", name="Ann", kind="person")
BEN = Speaker(id="~ben", name="Ben", kind="person")
MARA = Speaker(id="mara", name="Mara Vell", kind="role")
TOBIN = Speaker(id="tobin", name="Tobin Reck", kind="role")
WEI = Speaker(id="wei", name="安吉拉", kind="role")

ROSTER = (
    Seated(who=MARA, about="Keeper of the Saltmere light.", aliases=("Mara", "the keeper")),
    Seated(who=TOBIN, about="Rings the bell, owes half the town."),
    Seated(who=WEI, about="图书馆馆长"),
    Seated(who=ANN),
    Seated(who=BEN, online=False),
)


def said(seq: int, who: Speaker, text: str, **more: object) -> PostedFrame | EndFrame:
    """A committed message as the wire has it."""
    common = {"room": "saltmere", "seq": seq, "prev": seq - 1, "at": 0.0, "id": f"m{seq}", "author": who, "text": text}
    if who.kind == "person":
        return PostedFrame(**(common | more))
    return EndFrame(**({"status": "complete"} | common | more))


def start(turn: str, who: Speaker) -> Start:
    return Start(room="saltmere", turn=turn, author=who)


def delta(turn: str, offset: int, text: str) -> Delta:
    return Delta(room="saltmere", turn=turn, offset=offset, text=text)


def floor(seq: int, *, busy: bool = False, next: str = "") -> Floor:
    return Floor(room="saltmere", seq=seq, busy=busy, next=next)


def welcome(
    *events: object, name: str = "The lamp room", roster: tuple[Seated, ...] = ROSTER, **more: object
) -> Welcome:
    head = events[-1].seq if events else 0
    state = {
        "room": "saltmere",
        "name": name,
        "premise": "A winter evening under the Saltmere light. The sea road is shut; the kettle is on.",
        "epoch": "e1",
        "head": head,
        "roster": roster,
        "recovered": False,
        "events": events,
        "more": False,
        "busy": False,
    }
    room = RoomState(**(state | more))
    return Welcome(you=ANN, session="s", server="chatroom", limits=Limits(), rooms=(room,))


EVENING = (
    said(1, MARA, "Evening. The lamp is lit and the Wade is shut, so sit by the fire."),
    said(2, ANN, "Thank you. @Tobin Reck, who rang the bell last night?"),
    said(3, TOBIN, "Not I. I was at the Constance until the tide turned,\nand there are six who will swear to it."),
    said(4, ANN, "安吉拉，你听见了吗？"),
    said(5, WEI, "听见了。钟声响了三下，然后雾就散了。你们都睡着了，只有我和书醒着。"),
)


class Stage:
    """Stands in for a connection: same doors, no network."""

    address = "stage"
    room = "saltmere"
    limits = Limits()

    def __init__(self, *script: News) -> None:
        self.state: State = Online()
        self.unsent: tuple[str, ...] = ()
        self.done: list[tuple[str, object]] = []
        self.earlier: list[Ok] = []
        self.refusal: RefusedError | None = None
        self._news: asyncio.Queue[News | RefusedError] = asyncio.Queue()
        self._script = script

    def tell(self, *news: News | RefusedError) -> None:
        for item in news:
            self._news.put_nowait(item)

    async def listen(self, name: str) -> AsyncIterator[News]:
        self.tell(Online(), *self._script)
        while True:
            news = await self._news.get()
            if isinstance(news, RefusedError):
                raise news
            if isinstance(news, Online | Offline):
                self.state = news
            yield news

    async def say(self, text: str) -> Ok:
        return self._do("say", text)

    async def stop(self) -> Ok:
        return self._do("stop", None)

    async def retry(self) -> Ok:
        return self._do("retry", None)

    async def invite(self, role: str) -> Ok:
        return self._do("invite", role)

    async def dismiss(self, role: str) -> Ok:
        return self._do("dismiss", role)

    async def history(self, *, before: int) -> Ok:
        self._do("history", before)
        return self.earlier.pop(0)

    def _do(self, what: str, argument: object) -> Ok:
        if self.refusal:
            raise self.refusal
        self.done.append((what, argument))
        return Ok(cid="c")


async def until(pilot: Pilot[None], reached: Callable[[], bool]) -> None:
    """Lets the screen work until a condition holds; the test's own time limit ends a wait in vain."""
    async with asyncio.timeout(60):
        while not reached():
            await pilot.pause()


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    app = pilot.app
    lines = app.screen._compositor.render_strips(app.size)
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)
