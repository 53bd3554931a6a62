"""Stands between us and LMDeploy, so that nothing of it outlives us. Run by process.py: guard.py PARENT GRACE COMMAND…

Starts the command in a process group of its own, writes the group's id to stdout, and waits. When its stdin ends, its
parent dies or it is asked to end: SIGTERM to the command, GRACE seconds, then SIGKILL to the group and to whatever else
descends from it. When the command ends by itself, what it left behind is ended too. Standard library only; imports
nothing of ours.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(args: list[str]) -> int:
    """Guards one run of the command; gives its exit status, as a shell would."""
    parent, grace, command = int(args[0]), float(args[1]), args[2:]
    asked: list[int] = []
    wake = _wake_pipe(asked)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans among the descendants come to us, not to init
    if os.getppid() != parent:
        return 1
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, process_group=0, preexec_fn=_die_too)
    except OSError as error:
        print(f"{command[0]} can't be started: {error.strerror}", file=sys.stderr, flush=True)
        return 127
    with suppress(OSError):
        os.write(1, f"{child.pid}\n".encode())
    ended = _wait(child, wake, asked)
    if not ended:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    _end_all(child)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _wait(child: subprocess.Popen[bytes], wake: int, asked: list[int]) -> bool:
    """Waits until the command ends (True) or has to be ended (False)."""
    while child.poll() is None:
        if asked:
            return False
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 1 << 10)
        if 0 in ready and not os.read(0, 1 << 10):
            return False
    return True


def _end_all(child: subprocess.Popen[bytes]) -> None:
    """Ends the group and every descendant, also one that left the group; waits until all are gone, within bounds."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    until = time.monotonic() + 5
    while (left := _children()) and time.monotonic() < until:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _children() -> list[int]:
    """Those whose parent we are, by birth or because theirs ended."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # no such file on this system: the group is all we know
        return []


def _wake_pipe(asked: list[int]) -> int:
    """A descriptor that becomes readable on a signal; those that ask us to end are noted."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in ENDING:
        signal.signal(number, lambda got, _: asked.append(got))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def _die_too() -> None:
    """In the command, before it runs: if this guard is killed, the command is too."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
