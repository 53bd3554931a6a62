"""Where int4 weights are kept: what passed beside its proof, what failed aside with its report.

Invariant: what passed is replaced only by what passed, and nobody finds half a folder: all is written beside and
renamed. One process at a time works on one name. It judges nothing.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from chatroom.int4_proof import FOLDER, PROOF, Proof, place
from finetune.errors import WorkshopError

FAILED, WORK = "failed", ".work"
REPORT = "report.html"


class Shelf(msgspec.Struct, frozen=True):
    """The place of one set of int4 weights.

    Args:
        home: CHATROOM_HOME.
        name: As `models/hearth` or `roles/mara`.
    """

    home: Path
    name: str

    @property
    def passed(self) -> Path:
        """Where weights lie that may be used."""
        return place(self.home, self.name)

    @property
    def failed(self) -> Path:
        """Where those lie that may not."""
        return self.home / FOLDER / FAILED / self.name

    @property
    def embedded(self) -> Path:
        """Where the proof lies for the engine that packs the 16-bit weights itself."""
        return place(self.home, self.name, embedded=True)

    @contextmanager
    def bench(self) -> Iterator[Path]:
        """An empty folder to work in, taken away when the block ends; so is what a killed process left there.

        Raises:
            WorkshopError: Somebody else is at it, or it can't be written.
        """
        folder = self.home / FOLDER / WORK / self.name.replace("/", "--")
        with _locked(folder, self.name):
            for left in folder.glob("made-*"):
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix="made-") as path:
                yield Path(path)

    def put(self, made: Path, proof: Proof, page: str, *, embedded: bool = False) -> Path:
        """Puts a folder where it belongs, with its proof and its report; gives the place.

        Raises:
            WorkshopError: It can't be written.
        """
        passed = self.embedded if embedded else self.passed
        target = passed if proof.passed else self.failed / ("embedded" if embedded else "weights")
        try:
            (made / REPORT).write_text(page, "utf-8")
            (made / PROOF).write_bytes(msgspec.json.format(msgspec.json.encode(proof), indent=2) + b"\n")
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(made.with_name(f"{made.name}.former"))
            made.rename(target)
        except OSError as error:
            problem = f"it can't be written: {error.strerror or error}"
            raise WorkshopError(str(target), problem, "check the disk") from None
        shutil.rmtree(made.with_name(f"{made.name}.former"), ignore_errors=True)
        return target


def _locked(folder: Path, name: str) -> BinaryIO:
    """The lock of a folder, held until it is closed or the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("ab")
    except OSError as error:
        raise WorkshopError(str(folder), f"it can't be written: {error.strerror or error}", "check the disk") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise WorkshopError(name, "it is being quantized already", "wait for that, or stop it") from None
    return file
