"""Which files are read, by whom, and that whatever is wrong with one is told of that one alone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knowledge import sources
from knowledge.documents import Document
from knowledge.errors import UnreadableError
from knowledge.reading import MOST_DEPTH, MOST_TOLD, digest, find_files, format_of, read
from knowledge.sources.base import SourceFile

ROOT = Path(__file__).parents[2]


def put(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(f"The page {name}.")


def names(*roots: Path, base: Path) -> list[str]:
    found = find_files(roots, base)
    assert found.skipped == ()
    return [file.name for file in found.files]


def source(path: Path, text: str | bytes = "") -> tuple[SourceFile, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return SourceFile(name=path.name, path=path, skip=lambda place, problem: told.append((place, problem))), told


def test_files_are_found_in_order(tmp_path: Path) -> None:
    put(tmp_path, "wiki/b.md", "wiki/a/z.md", "wiki/B.txt", "wiki/灯.md", "other/x.md", "persona.md")
    assert names(tmp_path / "wiki", base=tmp_path) == ["wiki/B.txt", "wiki/a/z.md", "wiki/b.md", "wiki/灯.md"]
    assert names(tmp_path / "persona.md", base=tmp_path) == ["persona.md"]


def test_overlapping_roots_give_files_once(tmp_path: Path) -> None:
    put(tmp_path, "wiki/a.md", "wiki/deep/b.md")
    roots = [tmp_path / "wiki" / "deep", tmp_path, tmp_path / "wiki" / "a.md", tmp_path / "wiki" / ".." / "wiki"]
    assert names(*roots, base=tmp_path) == ["wiki/a.md", "wiki/deep/b.md"]


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, ".git/a.md", ".b.md", "~$c.md", "d.md~", "__MACOSX/e.md", "Thumbs.db", "f.md")
    assert names(tmp_path, base=tmp_path) == ["f.md"]


def test_links_leading_out_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "tobin/secret.md", "mara/wiki/a.md", "shared.md")
    mara = tmp_path / "mara"
    (mara / "wiki" / "tobin").symlink_to(tmp_path / "tobin")
    (mara / "wiki" / "shared.md").symlink_to("../../shared.md")
    found = find_files([mara / "wiki", tmp_path / "tobin"], mara)
    assert [file.name for file in found.files] == ["wiki/a.md"]
    assert [skipped.file for skipped in found.skipped] == [
        str(tmp_path / "tobin"),
        "wiki/shared.md",
        "wiki/tobin",
    ]
    assert all("leads out" in skipped.problem for skipped in found.skipped)


def test_links_inside_name_files_once(tmp_path: Path) -> None:
    put(tmp_path, "z/page.md", "other/far.md")
    (tmp_path / "z" / "a.md").symlink_to("page.md")
    (tmp_path / "z" / "loop").symlink_to("..")
    (tmp_path / "z" / "far").symlink_to("../other")
    assert names(tmp_path / "z", base=tmp_path) == ["z/far/far.md", "z/page.md"]
    assert names(tmp_path, base=tmp_path) == ["other/far.md", "z/page.md"]


def test_circular_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to("b.md")
    (tmp_path / "b.md").symlink_to("a.md")
    found = find_files([tmp_path], tmp_path)
    assert [(skipped.file, skipped.problem) for skipped in found.skipped] == [
        ("a.md", "its links lead in a circle"),
        ("b.md", "its links lead in a circle"),
    ]


def test_missing_root_is_named(tmp_path: Path) -> None:
    (found,) = find_files([tmp_path / "wiki"], tmp_path).skipped
    assert (found.file, found.problem) == ("wiki", "it can't be read: No such file or directory")


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    put(tmp_path, "a.md")
    found = find_files([tmp_path], tmp_path)
    assert [file.name for file in found.files] == ["a.md"]
    assert [(skipped.file, skipped.problem) for skipped in found.skipped] == [
        ("pipe.md", "it is neither a file nor a folder")
    ]


def test_depth_has_an_end(tmp_path: Path) -> None:
    put(tmp_path, "/".join(["d"] * (MOST_DEPTH - 1)) + "/in.md", "/".join(["e"] * MOST_DEPTH) + "/out.md")
    found = find_files([tmp_path], tmp_path)
    assert [Path(file.name).name for file in found.files] == ["in.md"]
    assert [skipped.problem for skipped in found.skipped] == [f"it is nested deeper than {MOST_DEPTH} folders"]


def test_odd_names_can_be_written(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9\x1b\n.md"
    with open(odd, "wb") as stream:
        stream.write(b"A page.")
    (file,) = find_files([tmp_path], tmp_path).files
    assert file.name == r"caf\udce9\x1b\n.md"
    assert [document.source for document in read(file)] == [file.name]


def test_linked_base_changes_no_name(tmp_path: Path) -> None:
    put(tmp_path, "real/wiki/a.md")
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "real" / "wiki", base=tmp_path / "link") == ["wiki/a.md"]
    assert names(tmp_path / "link" / "wiki", base=tmp_path / "real") == ["wiki/a.md"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.md", "# A", "markdown"),
        ("a.MARKDOWN", "", "markdown"),
        ("a.txt", "A", "text"),
        ("a.jsonl", '{"text": "a"}', "json_lines"),
        ("a.jsonl", '[{"text": "a"}]', "json_list"),
        ("a.json", ' \n[{"text": "a"}]', "json_list"),
        ("lines.jsonl", '{"context": [{"name": "Tobin", "text": "Hi."}], "reply": "Aye."}\n', "exchanges"),
        ("lines.jsonl", '{"context": [{"name": "Tobin", "text": "' + "Hi. " * 2_000, "exchanges"),
        ("a.jsonl", '{"context": "reply"}\n', "json_lines"),
        ("a.jsonl", '{"text": "say \\"context\\": [1], \\"reply\\": 2"}\n', "json_lines"),
    ],
)
def test_format_follows_name_and_beginning(tmp_path: Path, name: str, text: str, expected: str) -> None:
    file, _ = source(tmp_path / name, text)
    assert format_of(file) == expected


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a.zip", "unpack it"),
        ("a.tar.gz", "unpack it"),
        ("a.PDF", "save it as text"),
        ("a.docx", "save it as text"),
        ("a.epub", "save it as text"),
        ("a.odd", r"\.odd files are not read; these are: .*\.md.*\.txt"),
        ("README", "files without a suffix are not read"),
        ("a.json", r"does not begin as \.json files"),
    ],
)
def test_unreadable_format_names_the_remedy(tmp_path: Path, name: str, remedy: str) -> None:
    file, _ = source(tmp_path / name, "3")
    with pytest.raises(UnreadableError, match=remedy):
        format_of(file)


def test_one_format_loads_no_other() -> None:
    code = (
        "import sys, pathlib; from knowledge import reading; from knowledge.sources.base import SourceFile\n"
        "list(reading.read(SourceFile(name='CHANGELOG.md', path=pathlib.Path('CHANGELOG.md'))))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in sources.names() if f"knowledge.sources.{name}" in loaded} == {"markdown"}
    assert loaded & {"lxml", "trafilatura", "mwparserfromhell", "torch", "faiss", "jieba"} == set()


def test_every_format_says_its_suffixes() -> None:
    for name in sources.names():
        loaded = sources.load(name)
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in loaded.SUFFIXES)
        assert loaded.HELP
        assert loaded.__doc__


def test_vanished_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (file,) = find_files([tmp_path], tmp_path).files
    file.path.unlink()
    for use in (lambda: list(read(file)), lambda: format_of(file), lambda: digest(file)):
        with pytest.raises(UnreadableError, match=r"a\.md: it can't be read: No such file"):
            use()


def test_empty_file_is_told(tmp_path: Path) -> None:
    file, told = source(tmp_path / "a.md", "# Only a title\n\n\n")
    assert list(read(file)) == []
    assert told == [("", "there is no text in it")]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    file, told = source(tmp_path / "a.jsonl", '{"text": "first"}\n' + "bad\n" * (MOST_TOLD + 5))
    assert len(list(read(file))) == 1
    assert len(told) == MOST_TOLD + 1
    assert told[-1] == ("", "5 more places have faults like these")


ODD_FORMAT = """
from knowledge.documents import Document, Section
HELP = "odd files"
SUFFIXES = (".odd",)
def claims(head):
    return True
def read(file):
    yield Document(source=file.name, title=" ", sections=(Section(text="One."),))
    yield Document(source=file.name, title="Two", sections=(Section(text=" "),))
    %s
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Iterator[Document]]]:
    """Reads a file of a format that is not ours and ends in some way."""

    def start(end: str) -> Iterator[Document]:
        (tmp_path / "odd.py").write_text(ODD_FORMAT % end)
        file, _ = source(tmp_path / "my_page.odd", "x")
        return read(file)

    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    yield start
    sys.modules.pop("knowledge.sources.odd", None)


def test_format_without_care_is_mended(odd: Callable[[str], Iterator[Document]]) -> None:
    assert [document.title for document in odd("return")] == ["my page"]


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        ("raise RecursionError", "it is nested too deeply"),
        ("raise MemoryError", "not enough memory"),
        ("raise PermissionError(13, 'Permission denied')", "it can't be read: Permission denied"),
        ("raise KeyError('text')", r"by a fault of ours: KeyError\('text'\)"),
    ],
)
def test_failing_format_costs_its_file(
    odd: Callable[[str], Iterator[Document]], end: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    documents = odd(end)
    assert next(documents).title == "my page"
    with pytest.raises(UnreadableError, match=rf"my_page\.odd: .*{problem}"):
        next(documents)
    assert ("KeyError" in caplog.text) == ("KeyError" in end)


def test_digest_is_that_of_bytes(tmp_path: Path) -> None:
    one, _ = source(tmp_path / "a.md", "x" * 3_000_000)
    same, _ = source(tmp_path / "b.md", "x" * 3_000_000)
    other, _ = source(tmp_path / "c.md", "x" * 2_999_999 + "y")
    assert digest(one) == digest(same) != digest(other)
    assert len(digest(one)) == 32
