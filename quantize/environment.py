"""An environment of its own for a program whose libraries can't live beside the server's: made once, then found.

A mark with the digest of the pinned versions is written last: what was interrupted, or pinned otherwise, is made anew.
It knows no method; whoever asks says what is pinned.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import msgspec

from finetune.errors import WorkshopError
from quantize.job import Tell

PINNED = Path(__file__).parent / "environments"
"""Folder with the files of pinned versions."""
MARK = ".made-from"
LONGEST_LINE = 4000


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that can be made.

    Args:
        name: Of its folder.
        pinned: File with its versions, as pip reads it.
        size: What a user is told of how large it is.
    """

    name: str
    pinned: Path
    size: str

    def folder(self, home: Path) -> Path:
        """Where it lies in CHATROOM_HOME."""
        return home / "environments" / self.name

    def is_ready(self, home: Path) -> bool:
        """Whether it was made, from the versions that are pinned now."""
        mark = self.folder(home) / MARK
        return mark.is_file() and mark.read_text("utf-8", "replace").strip() == self._digest()

    def python(self, home: Path, tell: Tell) -> Path:
        """Its interpreter; the environment is made if need be.

        Raises:
            WorkshopError: It can't be made.
        """
        folder = self.folder(home)
        with _held(folder):
            if not self.is_ready(home):
                self._make(folder, tell)
        return folder / "bin" / "python"

    def _make(self, folder: Path, tell: Tell) -> None:
        tell(f"making an environment for {self.name} in {folder}, once: {self.size}, some minutes")
        shutil.rmtree(folder, ignore_errors=True)
        uv = shutil.which("uv")
        create = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        python = str(folder / "bin" / "python")
        install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
        log = folder.with_suffix(".log")
        log.unlink(missing_ok=True)
        for command in ([*create, str(folder)], [*install, "-r", str(self.pinned)]):
            _install(command, log, tell)
        (folder / MARK).write_text(self._digest() + "\n", "utf-8")
        tell(f"the environment for {self.name} is ready")

    def _digest(self) -> str:
        return sha256(self.pinned.read_bytes()).hexdigest()


def run_worker(python: Path, script: Path, order: Mapping[str, object], log: Path, tell: Tell) -> None:
    """Runs a script of quantize/workers in an environment; what it reports is told, all else it says goes to the log.

    It has no network and ends with this process, also on Ctrl-C.

    Raises:
        WorkshopError: It failed; the error has the last line that it said.
    """
    paper = log.with_suffix(".order.json")
    paper.write_text(json.dumps(order), "utf-8")
    environ = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    try:
        with log.open("w", encoding="utf-8") as said:
            status = _followed([str(python), "-I", str(script), str(paper)], environ, said, tell)
    except OSError as error:
        problem = f"it can't be run: {error.strerror or error}"
        raise WorkshopError(str(python), problem, "name another interpreter with --python") from None
    if status:
        raise WorkshopError(script.stem, f"it failed: {_last_line(log)}", f"all that it said is in {log}")


def _install(command: Sequence[str], log: Path, tell: Tell) -> None:
    try:
        with log.open("a", encoding="utf-8") as said:
            status = _followed(command, os.environ, said, tell, loud=("Collecting ", "Downloading ", "Installing "))
    except OSError as error:
        raise WorkshopError(command[0], f"it can't be run: {error.strerror or error}", "install it") from None
    if status:
        problem = f"it can't be installed: {_last_line(log)}"
        remedy = f"see {log}; or name an interpreter that has it with --python"
        raise WorkshopError(f"{log.stem}", problem, remedy)


def _followed(
    command: Sequence[str], environ: Mapping[str, str], said: TextIO, tell: Tell, loud: tuple[str, ...] = ()
) -> int:
    """Runs a command in a process group of its own, line by line; the group ends with this block."""
    process = subprocess.Popen(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        while line := process.stdout.readline(LONGEST_LINE):
            if report := _report(line, loud):
                tell(report)
            else:
                said.write(line)
        return process.wait()
    finally:
        _end(process)
        process.stdout.close()


def _report(line: str, loud: tuple[str, ...]) -> str:
    """What a line reports to people; "" for one that only the log gets."""
    if loud and line.strip().startswith(loud):
        return line.strip()[:120]
    try:
        return str(json.loads(line)["at"]) if line.startswith("{") else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Waits until nobody else makes this environment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
