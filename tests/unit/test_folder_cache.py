"""Folders that can be made again: whole or not there, one maker at a time, the least wanted ones go."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chatroom.folder_cache import FolderCache

ROOT = Path(__file__).parents[2]


def fill(draft: Path) -> None:
    (draft / "file").write_text("whole", "utf-8")


def never(draft: Path) -> None:
    raise AssertionError("it was made already")


def test_what_was_made_is_found(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", most=2)
    assert cache.found("a") is None
    folder = cache.made("a", fill)
    assert cache.found("a") == folder == cache.made("a", never)
    assert (folder / "file").read_text("utf-8") == "whole"


def test_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    def half(draft: Path) -> None:
        (draft / "file").write_text("half", "utf-8")
        raise OSError("the disk is full")

    cache = FolderCache(tmp_path, most=2)
    with pytest.raises(OSError, match="full"):
        cache.made("a", half)
    assert cache.found("a") is None
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_killed_writer_leaves_nothing_that_counts(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from chatroom.folder_cache import FolderCache\n"
        "def half(draft):\n"
        "    (draft / 'file').write_text('half')\n"
        "    os._exit(9)\n"
        "FolderCache(pathlib.Path(sys.argv[1]), most=2).made('a', half)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert ended.returncode == 9
    cache = FolderCache(tmp_path, most=2)
    assert cache.found("a") is None
    assert (cache.made("a", fill) / "file").read_text("utf-8") == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a"]


def test_least_wanted_go_beyond_the_bound(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, most=2, spared=0)
    for number, key in enumerate("abc"):
        folder = cache.made(key, fill)
        os.utime(folder, (number, number))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["b", "c"]
    cache.found("b")
    cache.made("d", fill)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["b", "d"]


def test_those_in_use_are_spared(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, most=1)
    for key in "abc":
        cache.made(key, fill)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a", "b", "c"]
