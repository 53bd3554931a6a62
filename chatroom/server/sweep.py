"""Looks at every socket once a second and ends those that harm others, before hello as well as after it.

The library's keepalive can't do this: its ping first waits until the write buffer has drained, so a peer that stops
reading is never pinged, never times out and collects messages without end; its own pongs to a flood of pings pile up
alike. So keepalive is off, and nothing here waits for a peer. Knows sockets and bounds.
"""

import asyncio

from websockets.protocol import State

from chatroom.server.bounds import Bounds
from chatroom.server.peer import PING, Peer, Peers
from chatroom.server.rates import Rates


class Sweep:
    """`run` is a task that ends by being cancelled."""

    def __init__(self, peers: Peers, rates: Rates, bounds: Bounds) -> None:
        self._peers, self._rates, self._bounds = peers, rates, bounds

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._bounds.sweep)
            self._rates.forget(loop.time())
            for peer in tuple(self._peers):
                self._look(peer, loop.time())

    def _look(self, peer: Peer, now: float) -> None:
        received, peer.received = peer.received, 0
        if self._is_over(peer, now) or received > self._bounds.inflow:
            peer.abort()
            return
        if peer.leaving is None and peer.state is State.CLOSING:
            peer.leaving = now  # the library began it, after a frame that broke the protocol
        if not peer.outbox.is_open and now - peer.born > self._bounds.hello:
            peer.dismiss(4001, "no hello")
        if peer.pinged <= peer.heard < now - self._bounds.quiet:
            peer.pinged = now
            peer.write(PING)
        peer.outbox.check(now)

    def _is_over(self, peer: Peer, now: float) -> bool:
        """Told to leave and still here, or gone without a word. A handshake has its own deadline in the library.

        Silence counts from a ping, not from the last byte: if this process itself was halted for a while, it must not
        take everybody for dead.
        """
        is_leaving = peer.leaving is not None and now - peer.leaving > self._bounds.closing
        is_dead = peer.pinged > peer.heard and now - peer.pinged > self._bounds.unanswered
        return is_leaving or is_dead
