"""Building an index: what is done anew and what is not, and that nothing a build meets leaves a broken index."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from knowledge.embed import identity
from knowledge.errors import EmbedderError, KnowledgeError
from knowledge.indexing import manifest
from knowledge.indexing.build import Progress, Summary, build, estimate, state
from knowledge.indexing.index import Index
from knowledge.indexing.journal import Journal
from knowledge.indexing.making import BATCH
from knowledge.indexing.passages import Size
from knowledge.reading import find_files

ROOT = Path(__file__).parents[2]
FOOTER = "Every page of this wiki is kept by the lamp society and may be copied freely by all who tend a light at sea."


class Place:
    """A folder with a wiki and its index."""

    def __init__(self, base: Path) -> None:
        self.base, self.wiki, self.index = base, base / "wiki", base / "index"
        self.wiki.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> None:
        (self.wiki / name).write_text(text, encoding="utf-8")

    def build(self, spec: str = "none", progress: Callable[[Progress], None] | None = None) -> Summary:
        return build(self.index, [self.wiki], self.base, spec, progress=progress)

    def state(self, spec: str = "none", size: Size | None = None) -> str:
        return state(self.index, [self.wiki], self.base, spec, size or Size())

    def content(self) -> dict[str, str]:
        """Digests of the files of the index by their kind."""
        files = manifest.read(self.index).files
        return {name.split("-")[0]: file.digest for name, file in files.items()}

    def titles(self) -> list[str]:
        index = Index.open(self.index)
        return [index.passage(row).title for row in range(len(index))]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "role")
    made.write("keeper.md", "# The keeper\n\nMara keeps the light and its log.\n")
    made.write("lamp.md", "# The lamp\n\nThe lamp burns whale oil.\n")
    made.write("records.jsonl", '{"title": "Bell", "text": "The bell was cast in Anner."}\n{oops\n')
    return made


def test_first_build_reads_everything(place: Place) -> None:
    done = place.build()
    assert (done.files, done.changed, done.kept, done.removed) == (3, 3, 0, 0)
    assert (done.documents, done.passages, done.dropped, done.embedded) == (3, 3, 0, 0)
    assert done.bytes == sum(file.stat().st_size for file in place.index.glob("*-*"))


def test_what_was_skipped_is_told_each_time(place: Place) -> None:
    place.write("song.mp3", "la la la")
    for _ in range(2):
        bad, song = place.build().skipped
        assert (bad.file, bad.place) == ("wiki/records.jsonl", "line 2")
        assert song.file == "wiki/song.mp3"
        assert ".mp3 files are not read" in song.problem


def test_unchanged_sources_write_nothing(place: Place) -> None:
    place.build()
    before = {path: path.stat().st_mtime_ns for path in place.index.iterdir() if path.name != ".lock"}
    done = place.build()
    assert (done.kept, done.changed, done.passages) == (3, 0, 3)
    assert {path: path.stat().st_mtime_ns for path in place.index.iterdir() if path.name != ".lock"} == before


def test_only_changed_files_are_read(place: Place) -> None:
    place.build()
    place.write("lamp.md", "# The lamp\n\nThe lamp burns fish oil now.\n")
    place.write("new.md", "# New\n\nA new page.\n")
    (place.wiki / "keeper.md").unlink()
    done = place.build()
    assert (done.files, done.kept, done.changed, done.removed) == (3, 1, 2, 1)
    assert place.titles() == ["The lamp", "New", "Bell"]


def test_old_files_are_swept_away(place: Place) -> None:
    (place.index / "lines").mkdir(parents=True)
    (place.index / "mine.txt").touch()
    place.build()
    place.write("new.md", "# New\n\nA new page.\n")
    place.build()
    there = {path.name for path in place.index.iterdir()}
    assert there == {"lines", "mine.txt", ".lock", "manifest.json", *manifest.read(place.index).files}


def edits(place: Place) -> list[Callable[[], None]]:
    """One change after the other, among them texts that come, go and come again elsewhere."""
    copy = f"# The lamp\n\nThe lamp burns whale oil.\n\n{FOOTER}\n"
    return [
        lambda: place.write("a.md", copy),
        lambda: place.write("z.md", copy),
        lambda: (place.wiki / "a.md").unlink(),
        lambda: place.write("lamp.md", "# Lamps\n\nThere were two."),
        lambda: place.write("secret.md", f"---\naudience: tobin\n---\n{copy}"),
        lambda: place.write("book.json", json.dumps({"entries": {"0": {"key": ["bell"], "content": "It rings."}}})),
        lambda: place.write("empty.md", ""),
        lambda: (place.wiki / "records.jsonl").unlink(),
        lambda: shutil.rmtree(place.wiki),
    ]


def test_step_by_step_equals_at_once(place: Place) -> None:
    place.build()
    for number, edit in enumerate(edits(place)):
        edit()
        done = place.build()
        fresh = Place(place.base.parent / f"fresh{number}")
        if place.wiki.exists():
            shutil.copytree(place.wiki, fresh.wiki, dirs_exist_ok=True)
        again = fresh.build()
        assert place.content() == fresh.content()
        assert (done.passages, done.dropped, done.documents) == (again.passages, again.dropped, again.documents)


def test_duplicate_comes_back_without_its_original(place: Place) -> None:
    for name in ("a.md", "b.md"):
        place.write(name, f"# Notice\n\n{FOOTER}\n")
    assert place.build().dropped == 1
    (place.wiki / "a.md").unlink()
    assert place.build().dropped == 0
    assert "Notice" in place.titles()


def test_state_follows_the_sources(place: Place) -> None:
    assert place.state() == "missing"
    place.build()
    assert place.state() == "fresh"
    place.write("new.md", "# New\n\nA page.\n")
    assert place.state() == "stale"
    (place.wiki / "new.md").unlink()
    assert place.state() == "fresh"
    (place.wiki / "lamp.md").unlink()
    assert place.state() == "stale"


def test_other_parameters_make_it_stale(place: Place) -> None:
    place.build()
    assert place.state(size=Size(target=50, most=80)) == "stale"
    assert place.state("minilm") == "stale"
    assert place.state("nobody/nothing") == "stale"


def test_same_size_and_other_bytes_are_noticed(place: Place) -> None:
    place.build()
    place.write("lamp.md", "# The lamp\n\nThe lamp burns whole oil.\n")
    assert place.state() == "stale"


def test_new_dates_alone_change_nothing(place: Place) -> None:
    place.build()
    copy = Place(place.base.parent / "copy")
    shutil.copytree(place.base, copy.base, dirs_exist_ok=True)
    for path in copy.wiki.iterdir():
        os.utime(path, (1, 1))
    assert copy.state() == "fresh"
    assert copy.build().changed == 0


def test_broken_index_is_damaged_and_mended(place: Place) -> None:
    place.build()
    whole = place.content()
    for kind in whole:
        (path,) = place.index.glob(f"{kind}-*")
        path.write_bytes(path.read_bytes()[:-1])
        assert place.state() == "damaged"
        place.build()
        assert place.state() == "fresh"
        assert place.content() == whole


def test_flipped_byte_is_mended_by_build(place: Place) -> None:
    place.build()
    whole = place.content()
    for kind in whole:
        (path,) = place.index.glob(f"{kind}-*")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        place.build()
        assert place.content() == whole


def test_unreadable_manifest_is_built_anew(place: Place) -> None:
    place.build()
    (place.index / "manifest.json").write_text("oops")
    assert place.state() == "damaged"
    assert place.build().changed == 3
    assert place.state() == "fresh"


def test_vectors_outlive_other_embedders_absence(place: Place) -> None:
    """Vectors in the journal are used although no model is there to make them."""
    place.build()
    keys = place_keys(place)
    with Journal(place.index, identity("minilm")).writing(384) as writing:
        writing.add(keys, np.eye(3, 384, dtype=np.float32))
    done = place.build("minilm")
    assert (done.embedded, done.kept) == (0, 3)
    place.write("records.jsonl", '{"title": "Bell", "text": "The bell was cast in Anner."}\n')
    assert place.build("minilm").embedded == 0
    assert np.allclose(Index.open(place.index).vectors([0, 1, 2]), np.eye(3, 384))
    assert not list(place.index.glob("*.part"))


def place_keys(place: Place) -> list[bytes]:
    from knowledge.documents import sought
    from knowledge.indexing.entries import key

    index = Index.open(place.index)
    return [key(sought(index.passage(row))) for row in range(len(index))]


def test_missing_embedder_leaves_the_old_index(place: Place) -> None:
    place.build()
    before = place.content()
    place.write("new.md", "# New\n\nA new page.\n")
    with pytest.raises(EmbedderError):
        place.build("./no/such/folder")
    assert place.content() == before
    assert not [path for path in place.index.glob("*-*") if path.name not in manifest.read(place.index).files]


def test_torn_journal_ends_at_its_last_record(tmp_path: Path) -> None:
    keys = [bytes([number]) * 16 for number in range(3)]
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    with Journal(tmp_path, "some").writing(2) as writing:
        writing.add(keys[:2], vectors[:2])
    (path,) = tmp_path.glob("*.part")
    path.write_bytes(path.read_bytes()[:-3])
    torn = Journal(tmp_path, "some")
    assert keys[0] in torn
    assert keys[1] not in torn
    with torn.writing(2) as writing:
        writing.add(keys[1:], vectors[1:])
    whole = Journal(tmp_path, "some")
    assert np.array_equal([whole.vector(key) for key in keys], vectors)


def test_journal_of_other_kind_begins_anew(tmp_path: Path) -> None:
    with Journal(tmp_path, "some").writing(2) as writing:
        writing.add([b"k" * 16], np.ones((1, 2), np.float32))
    grown = Journal(tmp_path, "some")
    with grown.writing(3):
        assert b"k" * 16 not in grown
    (path,) = tmp_path.glob("*.part")
    path.write_bytes(b"something else")
    assert Journal(tmp_path, "some").dimension == 0


def test_folder_that_can_not_be_is_an_error(place: Place) -> None:
    place.index.write_text("a file")
    with pytest.raises(KnowledgeError, match="can't be written"):
        place.build()


CHILD = """
import sys, os, signal, resource
from pathlib import Path
from knowledge.indexing.build import build
base, spec, stage, done = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
def tell(now):
    if (now.stage, now.done >= done) == (stage, True):
        os.kill(os.getpid(), signal.SIGKILL)
if stage == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (done, done))
summary = build(base / "index", [base / "wiki"], base, spec, progress=tell)
print(summary.embedded, "torch" in sys.modules)
"""


def child(place: Place, spec: str, stage: str, done: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(place.base), spec, stage, str(done)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("stage", "done"), [("reading", 60), ("reading", 100), ("writing", 0), ("writing", 1)])
def test_killed_build_leaves_the_old_index(place: Place, stage: str, done: int) -> None:
    place.build()
    before = place.content()
    place.write("lamp.md", "# The lamp\n\nThe lamp burns fish oil now.\n")
    assert child(place, "none", stage, done).returncode == -signal.SIGKILL
    assert place.content() == before
    assert len(place.titles()) == 3
    place.build()
    fresh = Place(place.base.parent / "fresh")
    shutil.copytree(place.wiki, fresh.wiki, dirs_exist_ok=True)
    fresh.build()
    assert place.content() == fresh.content()
    assert {path.name for path in place.index.glob("*-*")} == set(manifest.read(place.index).files)


def test_full_disk_leaves_the_old_index(place: Place) -> None:
    place.build()
    before = place.content()
    place.write("long.txt", "\n\n".join(f"The lamp burned for {number} nights." for number in range(9_000)))
    ended = child(place, "none", "full", 100_000)
    assert "KnowledgeError: the index" in ended.stderr
    assert "What was there before is as it was" in ended.stderr
    assert place.content() == before
    assert {path.name for path in place.index.glob("*-*")} == set(manifest.read(place.index).files)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder with one small layer."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny")
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{char}" for char in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    shape = BertConfig(
        vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(shape).save_pretrained(folder)
    return folder


def test_killed_embedding_goes_on_from_there(place: Place, tiny_model: Path) -> None:
    records = (json.dumps({"title": f"Day {day}", "text": f"On day {day} the sea was calm."}) for day in range(600))
    place.write("days.jsonl", "\n".join(records))
    assert child(place, str(tiny_model), "embedding", 2 * BATCH).returncode == -signal.SIGKILL
    assert place.state(str(tiny_model)) == "missing"
    assert place.build(str(tiny_model)).embedded == 603 - 2 * BATCH
    assert child(place, str(tiny_model), "never", 0).stdout.split() == ["0", "False"]
    undisturbed = Place(place.base.parent / "undisturbed")
    shutil.copytree(place.wiki, undisturbed.wiki, dirs_exist_ok=True)
    assert undisturbed.build(str(tiny_model)).embedded == 603
    rows = range(603)
    assert np.allclose(Index.open(place.index).vectors(rows), Index.open(undisturbed.index).vectors(rows), atol=1e-5)
    assert place.content().keys() == undisturbed.content().keys()
    place.write("one.md", "# One\n\nOne more page.\n")
    assert place.build(str(tiny_model)).embedded == 1


def test_folder_is_locked_while_it_is_built(place: Place) -> None:
    locked = []

    def tell(now: Progress) -> None:
        with (place.index / ".lock").open("wb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked.append(now.stage)

    place.build(progress=tell)
    assert {"reading", "writing"} <= set(locked)


def test_second_build_waits_for_the_first(place: Place) -> None:
    place.index.mkdir()
    done: list[Summary] = []
    with (place.index / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: done.append(place.build()))
        waiting.start()
    waiting.join(timeout=60)
    assert [summary.passages for summary in done] == [3]


def test_progress_is_told_for_each_batch(place: Place) -> None:
    lines = (json.dumps({"title": f"Day {day}", "text": f"On day {day} all was calm."}) for day in range(4 * BATCH))
    place.write("days.jsonl", "\n".join(lines))
    told: list[Progress] = []
    place.build(progress=told.append)
    reading = [now for now in told if now.stage == "reading"]
    assert len(reading) >= 4 + 4
    assert all(0 <= now.done <= now.total for now in told)
    assert reading[-1].done == reading[-1].total
    assert told[-1].stage == "writing"


def test_estimate_is_about_right(place: Place) -> None:
    lines = (json.dumps({"title": f"Day {day}", "text": f"On day {day} all was calm. " * 9}) for day in range(9_000))
    place.write("days.jsonl", "\n".join(lines))
    (place.wiki / "broken.png").write_bytes(os.urandom(5_000))
    expected = estimate(find_files([place.wiki], place.base).files, "none")
    done = place.build()
    assert done.passages / 2 < expected.passages < done.passages * 2
    assert done.bytes / 3 < expected.bytes < done.bytes * 3


def test_estimate_counts_embedding_only_if_asked(place: Place) -> None:
    files = find_files([place.wiki], place.base).files
    assert estimate(files, "minilm").seconds > 10 * estimate(files, "none").seconds > 0
    assert estimate([], "minilm").passages == 0


def test_a_fresh_build_leaves_the_index_until_it_is_done(tmp_path: Path) -> None:
    wiki, folder = tmp_path / "wiki", tmp_path / "index"
    wiki.mkdir()
    (wiki / "a.md").write_text("# The lamp\n\nThe lamp burns seed oil.\n", "utf-8")
    build(folder, [wiki], tmp_path, "none")
    with pytest.raises(EmbedderError):
        build(folder, [wiki], tmp_path, str(tmp_path / "nowhere"), fresh=True)
    assert len(Index.open(folder)) == 1
    again = build(folder, [wiki], tmp_path, "none", fresh=True)
    assert (again.changed, again.kept) == (1, 0)
    assert len(Index.open(folder)) == 1
