"""How much the server takes from anyone, in bytes, seconds and counts. Knows nothing else.

The defaults are meant for everybody; they are arguments so that a test need not send megabytes or wait for seconds.
"""

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Each field's docstring says what happens beyond it."""

    hello: float = 5.0
    """Seconds for the handshake, and again until hello: then the connection is closed (4001)."""
    closing: float = 2.0
    """Seconds to answer a close: then the connection is cut."""
    shutdown: float = 3.0
    """Seconds for all connections to end when the server does: then they are cut, and have `closing` to be gone."""
    delta_tick: float = 0.015
    """Seconds that pieces of a running turn are gathered, so that many become one write per reader."""
    sweep: float = 1.0
    """Seconds between two looks at all connections."""
    unsent_shed: int = 256 * 1024
    """Unsent bytes: beyond, a reader gets no deltas until it has caught up; a `snap` heals it."""
    unsent_cut: int = 1024 * 1024
    """Unsent bytes, answers to its own requests aside: beyond, the connection is cut."""
    unsent_early: int = 64 * 1024
    """The same before hello."""
    stalled: float = 15.0
    """Seconds in which a peer takes not one of the bytes that wait for it: then the connection is cut."""
    quiet: float = 10.0
    """Seconds without a byte from a peer: then it is pinged."""
    unanswered: float = 20.0
    """Seconds without a byte after such a ping: then the connection is cut."""
    inflow: int = 1024 * 1024
    """Bytes that a peer may send between two sweeps, control frames included: beyond, the connection is cut."""
    unreadable: int = 10
    """Unreadable frames: at this many the connection is closed (4002)."""
    burst: int = 30
    """Frames that a person may send at once."""
    per_second: float = 5.0
    """Frames that a person may send in the long run; beyond, they are refused with the time to wait."""
    strikes: int = 20
    """Frames refused for their rate, none accepted between them: at this many the connection is closed (4008)."""
    connections: int = 10_000
    """Connections in all: beyond, 503 before the upgrade."""
    connections_per_host: int = 256
    """Connections from one address: beyond, 429 before the upgrade."""
