"""An index on the disk: what it finds, and that it is used only as it was written.

Its vectors are laid into the journal of a build beforehand, as a build that was killed leaves them: no model is loaded.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from knowledge.documents import Passage, sought
from knowledge.embed import identity
from knowledge.errors import UnusableIndexError
from knowledge.indexing import manifest
from knowledge.indexing.build import build
from knowledge.indexing.entries import key
from knowledge.indexing.index import Index
from knowledge.indexing.journal import Journal
from knowledge.indexing.nearest import Cells, Nearest, cells
from knowledge.shelf import Vectors

PAGES = {
    "lamp.md": "# The lamp\n\nThe lamp of the lighthouse burns whale oil and is trimmed at midnight.\n",
    "boat.md": "# The boat\n\nThe boat lies upside down behind the lighthouse, tarred against the worm.\n",
    "debt.md": "---\naudience: tobin, mara\n---\n# The debt\n\nTobin owes nine crowns to the harbour master.\n",
    "book.json": json.dumps({"entries": {"0": {"uid": 0, "key": ["bell"], "content": "The bell was cast in Anner."}}}),
    "灯塔.md": "# 灯塔\n\n守灯人每天午夜修剪灯芯。\n",
}
UNREAD = "灯塔"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pages, and in `index` their index: every page but the Chinese one has a vector."""
    base = tmp_path_factory.mktemp("built")
    (base / "wiki").mkdir()
    for name, text in PAGES.items():
        (base / "wiki" / name).write_text(text, encoding="utf-8")
    build(base / "index", [base / "wiki"], base, "none")
    embed_beforehand(base / "index")
    build(base / "index", [base / "wiki"], base, "minilm")
    return base


def embed_beforehand(folder: Path) -> None:
    index = Index.open(folder)
    texts = [sought(index.passage(row)) for row in range(len(index))]
    vectors = np.stack([np.zeros(384) if UNREAD in text else vector_of(text) for text in texts])
    with Journal(folder, identity("minilm")).writing(384) as writing:
        writing.add([key(text) for text in texts], vectors.astype(np.float32))


def vector_of(text: str) -> NDArray[np.float32]:
    """Some vector of length 1, always the same for a text."""
    return unit(np.random.default_rng(list(key(text))).standard_normal((1, 384)))[0]


def unit(vectors: NDArray[np.float64]) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index(built: Path) -> Iterator[Index]:
    opened = Index.open(built / "index")
    yield opened
    opened.close()


def passages(index: Index) -> dict[str, tuple[int, Passage]]:
    return {index.passage(row).source: (row, index.passage(row)) for row in range(len(index))}


def test_every_passage_is_there_once(index: Index) -> None:
    assert set(passages(index)) == {f"wiki/{name}" for name in PAGES}
    assert len(index) == len(PAGES)


def test_words_find_the_page_that_holds_them(index: Index) -> None:
    rows, scores = index.words(["whale", "oil", "unheard-of"], 3)
    assert [index.passage(row).title for row in rows] == ["The lamp"]
    assert scores[0] > 0


def test_words_that_stand_nowhere_find_nothing(index: Index) -> None:
    assert len(index.words(["zeppelin"], 3)[0]) == len(index.words([], 3)[0]) == 0


def test_rare_words_weigh_more(index: Index) -> None:
    assert index.rarity("whale") > index.rarity("lighthous") > 0
    assert index.rarity("zeppelin") == 0


def test_masked_rows_are_never_found(index: Index) -> None:
    row, passage = passages(index)["wiki/lamp.md"]
    allowed = np.arange(len(index)) != row
    assert row not in index.words(["lamp", "whale"], 9, allowed)[0]
    assert row not in index.dense(vector_of(sought(passage)), 9, allowed)[0]
    assert len(index.dense(vector_of(sought(passage)), 9, allowed)[0]) == 3


def test_nearest_vector_comes_first(index: Index) -> None:
    for row, passage in passages(index).values():
        if UNREAD not in passage.title:
            rows, scores = index.dense(vector_of(sought(passage)), 2)
            assert (rows[0], round(float(scores[0]), 4)) == (row, 1)


def test_unread_passage_has_no_vector(index: Index) -> None:
    row, passage = passages(index)["wiki/灯塔.md"]
    assert row not in index.dense(vector_of(sought(passage)), 99)[0]
    assert not index.vectors([row]).any()


def test_vectors_come_in_the_order_asked(index: Index) -> None:
    lamp, boat = passages(index)["wiki/lamp.md"], passages(index)["wiki/boat.md"]
    expected = np.stack([vector_of(sought(lamp[1])), vector_of(sought(boat[1]))])
    assert np.allclose(index.vectors([lamp[0], boat[0]]), expected, atol=1e-6)
    assert index.vectors([]).shape == (0, 384)


def test_private_rows_and_rules_are_known(index: Index) -> None:
    found = passages(index)
    assert index.private == {found["wiki/debt.md"][0]: ("tobin", "mara")}
    assert [(row, rule.keys) for row, rule in index.rules.items()] == [(found["wiki/book.json"][0], ("bell",))]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_flipped_byte_in_any_file_is_found(built: Path, tmp_path: Path) -> None:
    assert len(names(built / "index")) == 12
    for name in names(built / "index"):
        for place in (0, -2):
            folder = shutil.copytree(built / "index", tmp_path / f"{name}{place}")
            data = bytearray((folder / name).read_bytes())
            data[place] ^= 1
            (folder / name).write_bytes(data)
            with pytest.raises(UnusableIndexError, match=r"damaged|no manifest"):
                Index.open(folder)


def test_flipped_digit_in_manifest_is_found(built: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(built / "index", tmp_path / "index")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"dropped": 0', '"dropped": 1'))
    with pytest.raises(UnusableIndexError, match="damaged"):
        Index.open(folder)


def test_missing_or_cut_file_is_found(built: Path, tmp_path: Path) -> None:
    for name in names(built / "index"):
        folder = shutil.copytree(built / "index", tmp_path / name)
        with (folder / name).open("r+b") as file:
            file.truncate((folder / name).stat().st_size - 1)
        with pytest.raises(UnusableIndexError):
            Index.open(folder)
        (folder / name).unlink()
        with pytest.raises(UnusableIndexError):
            Index.open(folder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "no manifest of ours"),
        ('{"version": 99}', "it is of version 99"),
        ('{"version": 1, "name": "a package"}', "no manifest of ours"),
        ("[" * 100_000, "no manifest of ours"),
        ("\udcff", "no manifest of ours"),
    ],
)
def test_foreign_manifest_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UnusableIndexError, match=problem):
        Index.open(tmp_path)


def test_missing_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnusableIndexError, match="there is none; build it anew: knowledge build"):
        Index.open(tmp_path)


def test_manifest_can_not_name_files_elsewhere(built: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(built / "index", tmp_path / "index")
    known = manifest.read(folder)
    known.files["../outside.npy"] = next(iter(known.files.values()))
    manifest.write(folder, known)
    with pytest.raises(UnusableIndexError, match=r"names a file that no index has: '\.\./outside"):
        Index.open(folder)


def test_files_that_do_not_fit_are_refused(built: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(built / "index", tmp_path / "index")
    known = manifest.read(folder)
    rows = manifest.file_name("rows.npy", known.generation)
    np.save(folder / rows, np.array([[0, 1 << 40]]))
    known.files[rows] = manifest.measured(folder / rows)
    manifest.write(folder, known)
    with pytest.raises(UnusableIndexError, match="don't fit each other"):
        Index.open(folder)


def test_open_index_outlives_a_build(built: Path, tmp_path: Path) -> None:
    base = shutil.copytree(built, tmp_path / "base")
    reader = Index.open(base / "index")
    before = passages(reader)
    shutil.rmtree(base / "wiki")
    (base / "wiki").mkdir()
    (base / "wiki" / "new.md").write_text("# New\n\nSomething else altogether.\n")
    build(base / "index", [base / "wiki"], base, "none")
    assert passages(reader) == before
    assert reader.words(["whale"], 1)[0].size == 1
    assert reader.dense(vector_of("anything"), 9)[0].size == 4
    assert [passage.title for _, passage in passages(Index.open(base / "index")).values()] == ["New"]


def test_index_of_nothing_finds_nothing(tmp_path: Path) -> None:
    build(tmp_path / "index", [], tmp_path, "minilm")
    index = Index.open(tmp_path / "index")
    assert len(index) == 0
    assert index.words(["lamp"], 3)[0].size == index.dense(vector_of("lamp"), 3)[0].size == 0
    assert index.rarity("lamp") == 0


def test_closed_index_finds_nothing(built: Path) -> None:
    index = Index.open(built / "index")
    index.close()
    index.close()
    assert index.words(["lamp"], 3)[0].size == index.dense(vector_of("lamp"), 3)[0].size == 0


@pytest.fixture(scope="module")
def clustered() -> tuple[Vectors, Cells]:
    rng = np.random.default_rng(3)
    middles = unit(rng.standard_normal((60, 32)))
    vectors = unit(middles[rng.integers(0, 60, 20_000)] + 0.1 * rng.standard_normal((20_000, 32)))
    return vectors, cells(vectors)


def test_cells_find_nearly_all_nearest(clustered: tuple[Vectors, Cells]) -> None:
    vectors, found = clustered
    quick, exact = Nearest(vectors, found), Nearest(vectors, None)
    questions = vectors[::997]
    shared = [set(quick.search(q, 10, None)[0]) & set(exact.search(q, 10, None)[0]) for q in questions]
    assert sum(map(len, shared)) >= 9.5 * len(questions)


@pytest.mark.parametrize("most", [0, 5, 3_000, 15_000])
def test_only_allowed_rows_are_nearest(clustered: tuple[Vectors, Cells], most: int) -> None:
    vectors, found = clustered
    away = np.argsort(vectors @ vectors[0])[:most]
    allowed = np.zeros(len(vectors), np.bool_)
    allowed[away] = True
    for nearest in (Nearest(vectors, found), Nearest(vectors, None)):
        rows, scores = nearest.search(vectors[0], most, allowed)
        assert sorted(rows) == sorted(away)
        assert np.all(np.diff(scores) <= 1e-6)
