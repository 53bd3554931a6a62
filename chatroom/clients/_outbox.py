"""Lines that were typed and not yet acknowledged: pure bookkeeping, no socket.

One is under way at a time, so that they are posted in the order in which they were typed, however often the connection
breaks in between; each keeps its cid, so that none is posted twice.
"""

import asyncio
from collections import deque

from chatroom.errors import ChatroomError
from chatroom.frames import Ok, Say


class Outbox:
    def __init__(self) -> None:
        self._waiting: deque[tuple[Say, asyncio.Future[Ok]]] = deque()
        self._under_way = False

    @property
    def under_way(self) -> str:
        """The cid of the line that was sent and not answered, or nothing."""
        return self._waiting[0][0].cid if self._under_way else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """What is not acknowledged yet, oldest first."""
        return tuple(say.text for say, _ in self._waiting)

    def add(self, say: Say) -> asyncio.Future[Ok]:
        """Puts a line at the end; the future gives its acknowledgement."""
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._waiting.append((say, answer))
        return answer

    def next(self) -> Say | None:
        """The line to send now, if none is under way."""
        if self._under_way or not self._waiting:
            return None
        self._under_way = True
        return self._waiting[0][0]

    def rewind(self) -> None:
        """The line under way may be lost: it is to be sent again."""
        self._under_way = False

    def settle(self, cid: str, answer: Ok | ChatroomError) -> bool:
        """Takes the answer to the line under way; False if it is not the answer to that."""
        if not cid or self.under_way != cid:
            return False
        self._under_way = False
        _, future = self._waiting.popleft()
        resolve(future, answer)
        return True

    def give_up(self, error: ChatroomError) -> None:
        """No line will be sent any more."""
        self._under_way = False
        while self._waiting:
            resolve(self._waiting.popleft()[1], error)


def resolve(future: asyncio.Future[Ok], answer: Ok | ChatroomError) -> None:
    """Hands an answer to whoever waits for it; nobody may."""
    if future.done():
        return
    if isinstance(answer, Ok):
        future.set_result(answer)
    else:
        future.set_exception(answer)
        future.exception()  # marks it as seen: a caller that has gone away is no fault
