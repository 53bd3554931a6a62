"""One engine of the pool, and who uses it: whether it is up, what memory it holds, who is inside or about to come.

It decides nothing. Invariant: `bytes` is set before its start and 0 only after its close has returned.
"""

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from chatroom.engine_pool.order import Order
from chatroom.engines.base import Engine, Facts
from chatroom.errors import EngineError
from chatroom.messages import Adapter

if TYPE_CHECKING:
    from chatroom.engine_pool.lent import Lent


class Held:
    """An engine with its uses.

    Attributes:
        facts: What it said when it was started; None while it is not up.
        bytes: Memory that is counted for it.
        calls: Turns that are inside.
        used: When it was last used; larger is later.
        outdated: Whether no role speaks with it any more, and it goes as soon as nobody is inside.
        failed: When its last start failed, and why.
        tired: Until when its close is not tried again, after it failed.
        lent: The engine as it is lent, by how adapters are put in.
        joined: Adapters that it took in after its start.
    """

    def __init__(self, order: Order, engine: Engine) -> None:
        self.order, self.engine = order, engine
        self.facts: Facts | None = None
        self.bytes = self.calls = self.used = 0
        self.outdated = False
        self.failed: tuple[float, EngineError] | None = None
        self.tired = 0.0
        self.loading: asyncio.Task[Facts] | None = None
        self.closing: asyncio.Task[None] | None = None
        self.lent: dict[str, Lent] = {}
        self.joined: set[Adapter] = set()
        self._expected: dict[asyncio.Task[Any], float] = {}

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.order.engine} over {self.order.options.base}" + (" and a LoRA" if self.order.lora else "")

    @property
    def is_loading(self) -> bool:
        return self.loading is not None and not self.loading.done()

    def expect(self, task: asyncio.Task[Any], until: float = inf) -> None:
        """Somebody who was given this engine will ask it before this time of the loop."""
        self._expected[task] = until

    def let_go(self, task: asyncio.Task[Any]) -> None:
        """They will not, or their turn is over."""
        self._expected.pop(task, None)

    def wanted(self, now: float) -> bool:
        """Whether somebody is about to come."""
        return any(until > now for until in self._expected.values())

    def idle(self, now: float) -> bool:
        """Whether it can be stopped without anybody's turn being lost."""
        return not (self.calls or self.is_loading or self.closing or self.wanted(now) or self.tired > now)

    def next_change(self, now: float) -> float:
        """When time alone may make it idle; infinite if it can't."""
        times = (*self._expected.values(), self.tired)
        return min((time for time in times if time > now), default=inf)
