"""The one server of a home: who holds it, where it listens, and who of this machine sits there.

Two lock files decide, because the kernel lets go of a lock however its holder ends: `server.lock` is held by the
server, `clients.lock` is shared by every terminal of this machine. A server that was started for them ends when nobody
shares that lock any more. Knows no rooms and no websocket.
"""

import fcntl
import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chatroom.errors import ChatroomError, SettingsError

LONGEST_SOCKET = 100
"""Bytes of a path that a Unix socket may have, with a little to spare."""
GRACE = 3
"""Checks in a row, a second apart, at which nobody sits there, before the server ends."""


class RunningError(ChatroomError):
    """Another server holds this home."""

    code = "running"


class Address(msgspec.Struct, frozen=True):
    """Where a server of this home can be reached: server.json."""

    pid: int
    url: str
    socket: str


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """Holds the home for one server.

    Raises:
        RunningError: It is held already.
    """
    with _locked(home / "server.lock", fcntl.LOCK_EX) as got:
        if not got:
            found = running(home)
            where = f" at {found.url}" if found else ""
            raise RunningError(f"a server of {home} is running already{where}; end it, or set another CHATROOM_HOME")
        try:
            yield
        finally:
            (home / "server.json").unlink(missing_ok=True)


@contextmanager
def sitting(home: Path) -> Iterator[None]:
    """Sits at this home's server, so that it stays. Waits while one is just ending."""
    with _locked(home / "clients.lock", fcntl.LOCK_SH, wait=True):
        yield


def held(home: Path) -> bool:
    """Whether a server holds this home, ready or not."""
    with _locked(home / "server.lock", fcntl.LOCK_SH) as got:
        return not got


async def last_one_out(home: Path) -> None:
    """Returns once nobody of this machine has been sitting here for a while; newcomers then wait for our end."""
    import asyncio

    path, free = home / "clients.lock", 0
    while True:
        await asyncio.sleep(1)
        handle = _open(path)
        got = _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = free + 1 if got else 0
        if free == GRACE:
            return  # the lock stays with this process until it ends
        os.close(handle)


def announce(home: Path, address: Address) -> None:
    """Writes server.json, which says that the server is ready."""
    path = home / "server.json"
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(address))
    os.replace(beside, path)


def running(home: Path) -> Address | None:
    """The server of this home, if one answers."""
    try:
        address = msgspec.json.decode((home / "server.json").read_bytes(), type=Address)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            probe.connect(address.socket)
    except (OSError, msgspec.DecodeError):
        return None
    return address


def join_line(url: str, token: str) -> str:
    """What somebody else types to sit down here; the token as it is to be shown, "" for none."""
    shown = f" --token {token}" if token else ""
    return f"others can join: python launch.py join {url} --name NAME{shown}"


def outward(host: str) -> str:
    """The host as others reach it: one of this machine's own addresses in place of "any"."""
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))  # finds the route and sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return "THIS-MACHINE"


def socket_path(home: Path) -> Path:
    """Where the Unix socket of a home lies: in it, or in a private folder where its path is too long for one."""
    path = home / "server.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime or tempfile.gettempdir()) / f"chatroom-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SettingsError(f"{folder} is not private to you; remove it, or set a CHATROOM_HOME with a shorter path")
    return folder / f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}.sock"


def free_port(host: str, port: int) -> int:
    """The port, or 0 (any) where it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return port


def prepared(home: Path) -> Path:
    """The home, made if it is missing."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{home} can't be made: {error.strerror}; set CHATROOM_HOME to another folder") from None
    return home


@contextmanager
def _locked(path: Path, how: int, *, wait: bool = False) -> Iterator[bool]:
    handle = _open(path)
    try:
        yield _lock(handle, how if wait else how | fcntl.LOCK_NB)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        return os.open(prepared(path.parent) / path.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from None


def _lock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    return True
