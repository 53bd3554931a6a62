"""Where made records are kept while a run goes on: each job's records are on the disk before the next is counted.

`TASK.jsonl` holds the records, each with its job; `TASK.asked` the keys of jobs that were asked, whatever they gave.
A run that is killed resumes without asking anything twice; a row that was cut short by the kill is taken away, and its
job is asked again. One run at a time. It knows no engine.
"""

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from finetune.dialogue import Record
from finetune.errors import WorkshopError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


class _Row(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A record with the job it is from, and how many more of that job follow."""

    job: str = ""
    left: int = 0


class Journal:
    """The records of one task and the jobs that were asked.

    Args:
        folder: `var/workshop/ROLE/made`; it is made if need be.
        task: Names the file.

    Raises:
        WorkshopError: Another run writes it, it can't be written, or a row can't be read.
    """

    def __init__(self, folder: Path, task: str) -> None:
        if not _NAME.fullmatch(task):
            raise WorkshopError(task, "can't name a file of records", "use small letters, digits, - and _")
        self.path = folder / f"{task}.jsonl"
        self._rows = _opened(self.path)
        try:
            self._keys = _opened(folder / f"{task}.asked")
        except BaseException:
            self._rows.close()
            raise
        try:
            self._lock()
            self.asked = self._read_keys()
            """Keys of the jobs that need not be asked again."""
            self.records = self._read_rows()
            """What was kept so far."""
        except BaseException:
            self.close()
            raise

    def add(self, key: str, records: Sequence[Record]) -> None:
        """Keeps what a job gave, nothing included; it is on the disk when this returns.

        Raises:
            OSError: It can't be written; the job counts as not asked.
        """
        rows = [
            _Row(context=record.context, reply=record.reply, made_by=record.made_by, job=key, left=len(records) - at)
            for at, record in enumerate(records, start=1)
        ]
        _append(self._rows, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        _append(self._keys, f"{key}\n".encode())
        self.asked.add(key)
        self.records += records

    def close(self) -> None:
        self._rows.close()
        self._keys.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._keys, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WorkshopError(str(self.path), "another run is writing it", "wait for it or stop it") from error

    def _read_keys(self) -> set[str]:
        self._keys.seek(0)
        whole, _, torn = self._keys.read().rpartition(b"\n")
        if torn:
            _cut(self._keys, len(whole) + (1 if whole else 0))
        return set(whole.decode("utf-8", "replace").split())

    def _read_rows(self) -> list[Record]:
        """Reads the rows, and takes away those at the end that a kill left incomplete."""
        self._rows.seek(0)
        rows: list[_Row] = []
        kept = end = 0
        for number, line in enumerate(self._rows.read().splitlines(keepends=True), start=1):
            end += len(line)
            if line.endswith(b"\n") and line.strip():
                rows.append(self._row(line, number))
                if not rows[-1].left or rows[-1].job in self.asked:
                    kept, whole = end, len(rows)
                    self.asked.add(rows[-1].job)
        if kept < end:
            _cut(self._rows, kept)
            rows = rows[:whole] if kept else []
        return [Record(context=row.context, reply=row.reply, made_by=row.made_by) for row in rows]

    def _row(self, line: bytes, number: int) -> _Row:
        try:
            return msgspec.json.decode(line, type=_Row)
        except msgspec.MsgspecError as error:
            raise WorkshopError(
                f"{self.path}, line {number}", f"it isn't a record: {error}", "correct the line or delete it"
            ) from error


def _opened(path: Path) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b", 0)
    except OSError as error:
        problem = f"it can't be written: {error.strerror or error}"
        raise WorkshopError(str(path), problem, "check its folder and the disk") from None


def _append(file: FileIO, data: bytes) -> None:
    """Writes all of it or, where the disk is full, nothing: half a row would spoil the one after it."""
    end = file.seek(0, os.SEEK_END)
    try:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise


def _cut(file: FileIO, length: int) -> None:
    file.truncate(length)
    file.seek(0, os.SEEK_END)
