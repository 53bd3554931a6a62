"""A base's weights with a role's ordinary LoRA merged into them, made once and kept: for engines that take no adapters.

A folder lies in HOME/merged under a digest of what base and adapter hold, so a changed adapter gets a new one. A child
process makes it: no torch comes into the server, and one merge runs at a time, whoever asks. Knows no engine.
"""

import asyncio
import logging
import os
import sys
from collections import deque
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

import chatroom
from chatroom.errors import EngineError
from chatroom.folder_cache import FolderCache
from chatroom.int4_proof import source_digest
from chatroom.merging import COPIED, MOST, STAMP, Told

log = logging.getLogger(__name__)

FOLDER = "merged"
LONGEST = 3600.0
"""Seconds until a merge is given up; most of them wait for the disk."""
LAST_LINES = 5
REMEDY = "merge it by hand (`launch.py merge ROLE`), or set engine = 'transformers_peft' for the role"


async def merged(base: Path, adapter: Path, home: Path) -> Path:
    """A folder with the base's weights in 16 bit and an ordinary LoRA merged into them.

    Cancelling it ends the child; what it had written by then is never used.

    Raises:
        EngineError: `no_adapter`: it is an activated LoRA, it does not fit the base, or it can't be written; with what
            to do.
    """
    root = (home / FOLDER).absolute()
    key = await asyncio.to_thread(_key, base, adapter)
    if folder := await asyncio.to_thread(FolderCache(root, most=MOST).found, key):
        return folder
    started = asyncio.get_running_loop().time()
    log.info("merging %s into %s; the role waits for it", adapter, base)
    try:
        async with asyncio.timeout(LONGEST):
            await _made(base.absolute(), adapter.absolute(), root, key)
    except TimeoutError:
        raise _error(adapter, f"it took longer than {LONGEST:.0f} s", REMEDY) from None
    log.info("merged %s in %.0f s: %s", adapter, asyncio.get_running_loop().time() - started, root / key)
    return root / key


def _key(base: Path, adapter: Path) -> str:
    """A digest of all that goes into it."""
    weights = source_digest(base, adapter)
    if not weights:
        missing = adapter if (base / "config.json").is_file() else base
        raise _error(adapter, f"there are no safetensors that can be read in {missing}", "correct its name")
    whole = blake2b(weights.encode(), digest_size=16)
    for name in (*COPIED, STAMP):
        with suppress(OSError):
            whole.update(name.encode() + (base / name).read_bytes())
    return whole.hexdigest()


async def _made(base: Path, adapter: Path, root: Path, key: str) -> None:
    """Runs the child and passes on what it tells."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "chatroom.merging", str(base), str(adapter), str(root), key),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        process_group=0,
    )
    assert child.stderr
    last: deque[str] = deque(maxlen=LAST_LINES)
    reading = asyncio.create_task(_read_log(child.stderr, last))
    try:
        fault = await _heard(child)
        status = await child.wait()
        await reading
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
        reading.cancel()
        await asyncio.gather(child.wait(), reading, return_exceptions=True)
    if fault.problem:
        raise _error(adapter, f"{fault.file}: {fault.problem}", fault.remedy)
    if status:
        raise _error(adapter, f"the process that merged it ended; it last said: {' | '.join(last)[:1000]}", REMEDY)


async def _heard(child: asyncio.subprocess.Process) -> Told:
    """Logs how far it is; gives the fault that it tells, if it does."""
    assert child.stdout
    fault = Told()
    async for line in child.stdout:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            told = msgspec.json.decode(line, type=Told)
            fault = told if told.problem else fault
            if told.doing:
                log.info("%s", told.doing)
    return fault


async def _read_log(stderr: asyncio.StreamReader, last: deque[str]) -> None:
    """Keeps the last lines, however long."""
    while chunk := await stderr.read(1 << 16):
        last.extend(line[:500] for line in chunk.decode("utf-8", "replace").splitlines() if line.strip())


def _environment() -> dict[str, str]:
    """Ours without our own settings, with the folder that this package lies in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHATROOM_")}
    root = str(Path(chatroom.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    return kept | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def _error(adapter: Path, problem: str, remedy: str) -> EngineError:
    return EngineError(f"the adapter {adapter} can't be merged: {problem}; {remedy}", code="no_adapter")
