"""The knowledge commands as a user types them, on a home of its own: build, search, import, stats."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from chatroom.role_files import MOST_ENTRIES
from chatroom.roles import Role, read_role
from chatroom.settings import load_settings
from commands._knowledge_build import build_all
from commands.base import main
from tests.folders import make_base, make_role

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "sentence_transformers", "faiss", "bm25s", "jieba", "lxml", "numpy", "asyncio")
LENS = "# The Eye\n\nThe Eye is the great lens of the light. It stands ten feet tall.\n"
CAT = "# Soot\n\nSoot is the cat of the ferry house. She hates the bell.\n"
SECRET = "---\naudience: tobin\n---\n# The debt\n\nTobin owes nine crowns to the harbour master.\n"


class Done(NamedTuple):
    """What a command gave."""

    status: int
    out: str
    err: str


Launch = Callable[..., Done]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a base, the role mara who knows two pages, and no embedder."""
    for key in [key for key in os.environ if key.startswith("CHATROOM_")]:
        monkeypatch.delenv(key)
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CHATROOM_EMBEDDER", "none")
    make_base(tmp_path / "models" / "hearth")
    add_role(tmp_path, "mara", lens=LENS, cat=CAT)
    return tmp_path


@pytest.fixture
def launch(world: Path, capsys: pytest.CaptureFixture[str]) -> Launch:
    def run(*words: str) -> Done:
        status = main(words)
        return Done(status, *capsys.readouterr())

    return run


def add_role(world: Path, id: str, **pages: str) -> Path:
    """A role with a wiki."""
    folder = make_role(world / "roles" / id, f'name = "{id.title()}"\n[knowledge]\nsources = ["wiki"]\n')
    (folder / "wiki").mkdir()
    for name, text in pages.items():
        (folder / "wiki" / f"{name}.md").write_text(text, "utf-8")
    return folder


def titles(done: Done) -> list[list[str]]:
    """Titles of the hits of each question that was answered in JSON."""
    return [[hit["title"] for hit in json.loads(line)["hits"]] for line in done.out.splitlines()]


@pytest.mark.parametrize("command", ["", "build", "search", "import", "stats"])
def test_help_of_knowledge_is_light(command: str) -> None:
    code = f"""
import sys
from commands.base import main
try:
    main(["knowledge", *{command.split()!r}, "--help"])
except SystemExit as end:
    print(end.code, *sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    status, *modules = done.stderr.split()
    assert (status, "usage: launch.py knowledge" in done.stdout) == ("0", True)
    assert [name for name in modules if name in HEAVY] == []


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- build ------------------------------------------------------------------------------------------------------------


def test_a_build_says_what_it_read(world: Path, launch: Launch) -> None:
    (world / "roles/mara/wiki/plan.pdf").write_bytes(b"%PDF-1.7")
    (world / "roles/mara/wiki/old.jsonl").write_text('{"text": "The bell is cracked."}\n{"text": \n', "utf-8")
    done = launch("knowledge", "build")
    assert done.status == 0
    assert "mara: 4 files (4 new or changed, 0 unchanged, 0 removed); 3 documents, 3 passages, " in done.out
    *_, first, second = done.out.splitlines()
    assert first.startswith("skipped: roles/mara/wiki/old.jsonl, line 2: ")
    assert second.startswith("skipped: roles/mara/wiki/plan.pdf: .pdf files are not read")


def test_a_second_build_writes_nothing(world: Path, launch: Launch) -> None:
    launch("knowledge", "build")
    before = contents(world / "home" / "index")
    assert "mara: 2 files (0 new or changed, 2 unchanged, 0 removed)" in launch("knowledge", "build", "mara").out
    assert contents(world / "home" / "index") == before
    launch("knowledge", "build", "--force")
    assert contents(world / "home" / "index") != before


def test_only_what_changed_is_read_again(world: Path, launch: Launch) -> None:
    launch("knowledge", "build")
    (world / "roles/mara/wiki/cat.md").write_text(CAT + "\nShe sleeps in the rope locker.\n", "utf-8")
    (world / "roles/mara/wiki/bell.md").write_text("# The bell\n\nIt is cracked.\n", "utf-8")
    (world / "roles/mara/wiki/lens.md").unlink()
    assert "2 files (2 new or changed, 0 unchanged, 1 removed)" in launch("knowledge", "build").out


def test_a_broken_role_is_named_and_passed_over(world: Path, launch: Launch) -> None:
    (add_role(world, "ilse", cat=CAT) / "role.toml").write_text("name = ", "utf-8")
    done = launch("knowledge", "build")
    assert (done.status, "mara: 2 files" in done.out) == (0, True)
    assert "error: roles/ilse/role.toml: it can't be read as TOML" in done.err
    assert launch("knowledge", "build", "ilse").status == 1


def test_a_full_disk_fails_one_role_only(world: Path, launch: Launch) -> None:
    """A file where the folder of an index must go."""
    add_role(world, "ilse", cat=CAT)
    (world / "home" / "index").mkdir(parents=True)
    (world / "home" / "index" / "ilse").write_text("", "utf-8")
    done = launch("knowledge", "build")
    assert (done.status, "mara: 2 files" in done.out) == (0, True)
    assert "error: " in done.err
    assert "ilse" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "marra"], "roles/marra: there is no such role (did you mean 'mara'?)"),
        (["search", "marra", "Eh?"], "did you mean 'mara'?"),
        (["search", "mara", "Eh?", "--mode", "dense"], "embedder: a search by meaning needs one"),
        (["search", "mara", "Eh?", "--lines"], "roles/mara: it has no lines.jsonl"),
        (
            ["search", "empty", "Eh?"],
            "knowledge.sources: it names no documents (add them: knowledge import empty FILE)",
        ),
        (["stats", "marra"], "there is no such role"),
    ],
)
def test_a_wrong_wish_says_why(world: Path, launch: Launch, words: list[str], said: str) -> None:
    make_role(world / "roles" / "empty", 'name = "Nobody"\n')
    done = launch("knowledge", *words)
    assert (done.status, done.out) == (1, "")
    assert said in done.err


def test_an_unknown_embedder_says_what_to_do(world: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATROOM_EMBEDDER", "/nowhere")
    done = launch("knowledge", "build")
    assert (done.status, "/nowhere" in done.err, "minilm" in done.err) == (1, True, True)


def test_a_role_called_rooms_has_its_place(world: Path, launch: Launch) -> None:
    """The long memories of rooms lie under `rooms`."""
    add_role(world, "rooms", cat=CAT)
    assert launch("knowledge", "build", "rooms").status == 0
    assert [path.name for path in (world / "home" / "index").iterdir()] == ["_rooms"]
    assert titles(launch("knowledge", "search", "rooms", "Who is Soot the cat?", "--json")) == [["Soot"]]


def test_a_stopped_build_says_it_goes_on(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def roles() -> Iterator[Role]:
        yield read_role(world / "roles/mara", world / "models")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_all(load_settings(), roles())
    told = capsys.readouterr()
    assert ("mara: 2 files" in told.out, "the next build goes on from there" in told.err) == (True, True)


@pytest.mark.parametrize("source", [".", "index", "index/lines"])
def test_a_folder_of_indexes_is_no_source(world: Path, launch: Launch, source: str) -> None:
    mara = world / "roles/mara"
    (mara / "index/lines").mkdir(parents=True)
    (mara / "role.toml").write_text(f'name = "Mara"\n[knowledge]\nsources = ["{source}"]\n', "utf-8")
    done = launch("role", "check", "mara")
    assert (done.status, "knowledge.sources: " in done.out, "holds more than documents" in done.out) == (1, True, True)


# --- search -----------------------------------------------------------------------------------------------------------


def test_a_search_builds_the_index_first(world: Path, launch: Launch) -> None:
    done = launch("knowledge", "search", "mara", "How tall is the great lens?")
    assert (done.status, "building it" in done.err) == (0, True)
    shown = ("? How tall is the great lens?", "1. The Eye", "wiki/lens.md, line 3", "It stands ten feet tall.")
    assert [part for part in shown if part not in done.out] == []
    assert launch("knowledge", "search", "mara", "How tall is the great lens?").err == ""


def test_a_changed_page_is_found_as_it_is_now(world: Path, launch: Launch) -> None:
    launch("knowledge", "build")
    (world / "roles/mara/wiki/lens.md").write_text(LENS.replace("ten", "twelve"), "utf-8")
    assert "twelve feet" in launch("knowledge", "search", "mara", "How tall is the great lens?").out


def test_json_tells_all_there_is(world: Path, launch: Launch) -> None:
    done = launch("knowledge", "search", "mara", "How tall is the great lens?", "--json", "-k", "1", "--mode", "words")
    (line,) = done.out.splitlines()
    told = json.loads(line)
    (hit,) = told.pop("hits")
    spent = told.pop("ms")
    assert told == {"question": "How tall is the great lens?", "role": "mara", "mode": "words", "raw": False}
    assert (spent["embed"], spent["search"] > 0) == (0.0, True)
    assert (hit["rank"], hit["dense"], hit["words"] > 0, hit["score"] > 0, len(hit["id"])) == (1, None, True, True, 32)
    where = {key: hit[key] for key in ("document", "title", "path", "source", "place", "url")}
    page = {"document": "wiki/lens.md", "title": "The Eye", "path": [], "source": "wiki/lens.md", "url": ""}
    assert where == {**page, "place": "line 3"}
    assert hit["text"] == "The Eye is the great lens of the light. It stands ten feet tall."


def test_many_questions_take_one_start(world: Path) -> None:
    asked = "How tall is the great lens?\n\nDoes Soot the cat hate the bell?\r\n\xff\n".encode("latin-1")
    words = [sys.executable, str(ROOT / "launch.py"), "knowledge", "search", "mara", "-", "--json"]
    done = subprocess.run(words, input=asked, capture_output=True, check=True, cwd=world)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    questions = ["How tall is the great lens?", "", "Does Soot the cat hate the bell?", "\ufffd"]
    assert [each["question"] for each in told] == questions
    assert [[hit["title"] for hit in each["hits"]] for each in told] == [["The Eye"], [], ["Soot"], []]


def test_earlier_lines_say_what_is_meant(world: Path, launch: Launch) -> None:
    launch("knowledge", "build")
    talk = ("Tell me about Soot, the cat of the ferry house.", "What does she hate?")
    assert titles(launch("knowledge", "search", "mara", *talk, "--json"))[0][:1] == ["Soot"]
    assert "? What does she hate?" in launch("knowledge", "search", "mara", *talk).out


def test_small_talk_finds_nothing_but_raw(world: Path, launch: Launch) -> None:
    launch("knowledge", "build")
    assert launch("knowledge", "search", "mara", "good evening").out == "? good evening\n  nothing is near enough\n"
    assert titles(launch("knowledge", "search", "mara", "stands", "--raw", "--json")) == [["The Eye"]]


def test_a_secret_is_for_its_audience(world: Path, launch: Launch) -> None:
    add_role(world, "tobin", debt=SECRET)
    (world / "roles/mara/wiki/debt.md").write_text(SECRET, "utf-8")
    asked = ("knowledge", "search", "mara", "How many crowns does Tobin owe the harbour master?", "--json", "--raw")
    launch("knowledge", "build")
    assert titles(launch(*asked)) == [[]]
    assert titles(launch(*asked, "--as", "tobin")) == [["The debt"]]
    assert titles(launch(*asked, "--as", "TOBIN")) == [["The debt"]]
    assert titles(launch(*asked, "--as", "ann")) == [[]]


def test_example_lines_are_searched_on_demand(world: Path, launch: Launch) -> None:
    record = {"context": [{"name": "Ben", "text": "Tell me about lanterns."}], "reply": "Lanterns? Hm."}
    (world / "roles/mara/lines.jsonl").write_text(json.dumps(record), "utf-8")
    done = launch("knowledge", "search", "mara", "lanterns", "--lines", "--raw", "--json")
    (hit,) = json.loads(done.out)["hits"]
    assert "Lanterns? Hm." in hit["text"]
    assert hit["source"] == "lines.jsonl"


def test_meaning_finds_what_words_do_not(world: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATROOM_EMBEDDER", "minilm")
    asked = ("knowledge", "search", "mara", "Which pet lives by the boats?", "--json", "--raw", "-k", "1")
    done = launch(*asked, "--mode", "dense")
    assert titles(done) == [["Soot"]]
    told = json.loads(done.out)
    assert (told["hits"][0]["dense"] > 0.2, told["hits"][0]["words"], told["ms"]["embed"] > 0) == (True, None, True)
    assert titles(launch(*asked, "--mode", "words")) == [[]]


# --- an index that the role folder carries ----------------------------------------------------------------------------


@pytest.fixture
def copied(world: Path, launch: Launch) -> Path:
    """mara's folder with its index, as a copy on a machine that has never built one."""
    record = {"context": [{"name": "Ben", "text": "Tell me about lanterns."}], "reply": "Lanterns? Hm."}
    (world / "roles/mara/lines.jsonl").write_text(json.dumps(record), "utf-8")
    assert "mara: the role folder carries an index" in launch("knowledge", "build", "--carry", "mara").out
    shutil.copytree(world / "roles/mara", world / "elsewhere", copy_function=shutil.copy)
    shutil.rmtree(world / "roles/mara")
    shutil.rmtree(world / "home/index")
    (world / "elsewhere").rename(world / "roles/mara")
    return world / "roles/mara"


def test_a_copied_role_brings_its_index(world: Path, launch: Launch, copied: Path) -> None:
    done = launch("knowledge", "search", "mara", "How tall is the great lens?", "--json")
    assert (titles(done), done.err) == ([["The Eye"]], "")
    assert "carries an index that is up to date" in launch("knowledge", "build").out
    assert not (world / "home" / "index").exists()
    assert "fresh, in the role folder" in launch("knowledge", "stats").out
    assert launch("role", "check", "mara").status == 0


def test_a_stale_carried_index_is_not_used(world: Path, launch: Launch, copied: Path) -> None:
    (copied / "wiki/lens.md").write_text(LENS.replace("ten", "twelve"), "utf-8")
    done = launch("knowledge", "search", "mara", "How tall is the great lens?")
    assert ("twelve feet" in done.out, "building it" in done.err) == (True, True)
    launch("knowledge", "build", "--carry")
    shutil.rmtree(world / "home" / "index")
    assert "twelve feet" in launch("knowledge", "search", "mara", "How tall is the great lens?").out
    assert not (world / "home" / "index").exists()


def test_a_damaged_carried_index_is_not_used(world: Path, launch: Launch, copied: Path) -> None:
    for file in copied.glob("index/passages*"):
        data = file.read_bytes()
        file.write_bytes(data.replace(b"ten feet", b"six feet"))
        assert file.read_bytes() != data
    assert launch("knowledge", "stats").out.splitlines()[1].split() == ["mara", "missing"]
    done = launch("knowledge", "search", "mara", "How tall is the great lens?")
    assert ("ten feet" in done.out, "building it" in done.err) == (True, True)


def test_an_index_never_leaves_its_folder(world: Path, launch: Launch) -> None:
    (world / "roles/mara/index").symlink_to("wiki")
    done = launch("knowledge", "build", "--carry")
    assert "roles/mara/index: it is a link" in done.err
    assert sorted(path.name for path in (world / "roles/mara/wiki").iterdir()) == ["cat.md", "lens.md"]


# --- import -----------------------------------------------------------------------------------------------------------


def test_an_import_copies_what_can_be_read(world: Path, launch: Launch) -> None:
    given = world / "given"
    (given / "isles").mkdir(parents=True)
    (given / "isles/north.md").write_text("# North isle\n\nOnly puffins live on the north isle.\n", "utf-8")
    (given / "map.png").write_bytes(b"\x89PNG")
    (given / "out.md").symlink_to(world / "roles/mara/role.toml")
    os.mkfifo(given / "pipe.md")
    done = launch("knowledge", "import", "mara", str(given))
    assert done.status == 0
    assert f"copied: {world / 'roles/mara/wiki/given/isles/north.md'}\n" in done.out
    assert {line.split(": ")[1] for line in done.out.splitlines() if line.startswith("skipped: ")} == {
        str(given / name) for name in ("map.png", "out.md", "pipe.md")
    }
    assert "3 files (3 new or changed" in done.out
    assert titles(launch("knowledge", "search", "mara", "Do puffins live there?", "--json")) == [["North isle"]]


def test_an_import_never_overwrites(world: Path, launch: Launch) -> None:
    (world / "lens.md").write_text("# Another lens\n\nThis one is small.\n", "utf-8")
    launch("knowledge", "import", "mara", str(world / "lens.md"))
    wiki = world / "roles/mara/wiki"
    assert (wiki / "lens.md").read_text("utf-8") == LENS
    assert "This one is small." in (wiki / "lens-2.md").read_text("utf-8")
    again = launch("knowledge", "import", "mara", str(world / "lens.md"))
    assert (again.status, "there already: " in again.out) == (0, True)
    assert sorted(path.name for path in wiki.iterdir()) == ["cat.md", "lens-2.md", "lens.md"]


def test_an_import_of_nothing_changes_nothing(world: Path, launch: Launch) -> None:
    make_role(world / "roles/bo", 'name = "Bo"\n')
    before = contents(world / "roles")
    (world / "link.md").symlink_to(world / "roles/mara/wiki/cat.md")
    done = launch("knowledge", "import", "bo", str(world / "link.md"), str(world / "none.md"))
    assert (done.status, "there is nothing to read" in done.err) == (1, True)
    assert "link.md: it is a link: name the file itself" in done.out
    assert contents(world / "roles") == before


def test_too_many_files_are_refused_before_copying(world: Path, launch: Launch) -> None:
    held = sum(1 for _ in (world / "roles/mara").rglob("*"))
    for number in range(MOST_ENTRIES - held - 2):
        (world / "roles/mara/wiki" / f"{number}.md").touch()
    (world / "more").mkdir()
    for name in ("north", "south"):
        (world / "more" / f"{name}.md").write_text(CAT + name, "utf-8")
    done = launch("knowledge", "import", "mara", str(world / "more"))
    assert (done.status, "over the 20,000 it may hold" in done.err) == (1, True)
    assert not (world / "roles/mara/wiki/more").exists()
    assert launch("role", "check", "mara").status == 0


@pytest.mark.parametrize(
    ("toml", "after"),
    [
        ("", '\n\n[knowledge]\nsources = ["wiki"]\n'),
        ("\n[knowledge] # mine", '\n[knowledge] # mine\nsources = ["wiki"]\n'),
        ("\n[knowledge]\ntop_k = 3 # few\n", '\n[knowledge]\nsources = ["wiki"]\ntop_k = 3 # few\n'),
        ("\n[knowledge]\nsources = [] # none\n", '\n[knowledge]\nsources = ["wiki"] # none\n'),
    ],
)
def test_an_import_names_the_folder_in_role_toml(world: Path, launch: Launch, toml: str, after: str) -> None:
    head = '# Bo\nname = "Bo"   # short'
    bo = make_role(world / "roles/bo", head + toml)
    (world / "cat.md").write_text(CAT, "utf-8")
    assert launch("knowledge", "import", "bo", str(world / "cat.md")).status == 0
    assert (bo / "role.toml").read_text("utf-8") == head + after
    assert (bo / "wiki/cat.md").read_text("utf-8") == CAT


@pytest.mark.parametrize("toml", ["knowledge.top_k = 2\n", '[knowledge]\nsources = ["persona.md"]\n'])
def test_a_role_toml_is_not_changed_unsafely(world: Path, launch: Launch, toml: str) -> None:
    bo = make_role(world / "roles/bo", f'name = "Bo"\n{toml}')
    (world / "cat.md").write_text(CAT, "utf-8")
    done = launch("knowledge", "import", "bo", str(world / "cat.md"))
    assert (done.status, 'add "wiki" to the sources below [knowledge] by hand' in done.err) == (1, True)
    assert (bo / "role.toml").read_text("utf-8") == f'name = "Bo"\n{toml}'


# --- stats, and a new role --------------------------------------------------------------------------------------------


def test_pages_of_a_room_are_built_too(world: Path, launch: Launch) -> None:
    (world / "rooms" / "inn").mkdir(parents=True)
    (world / "rooms" / "inn" / "cat.md").write_text(CAT, "utf-8")
    (world / "rooms" / "inn.toml").write_text('roles = ["mara"]\nsources = ["inn"]\n', "utf-8")
    (world / "rooms" / "broken.toml").write_text("roles = ", "utf-8")
    done = launch("knowledge", "build")
    assert done.status == 0
    assert "rooms/inn: 1 file" in done.out
    assert "broken.toml" in done.err
    rows = [line.split() for line in launch("knowledge", "stats").out.splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [("mara", "2"), ("rooms/inn", "1")]


def test_stats_say_how_each_index_is(world: Path, launch: Launch) -> None:
    add_role(world, "ilse", cat=CAT)
    add_role(world, "tobin", debt=SECRET)
    launch("knowledge", "build", "mara", "tobin")
    (world / "roles/tobin/wiki/debt.md").write_text(SECRET + "\nHe paid one.\n", "utf-8")
    rows = [line.split() for line in launch("knowledge", "stats").out.splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [("ilse", "missing"), ("mara", "2"), ("tobin", "1")]
    assert ["fresh" in rows[1], "stale" in rows[2]] == [True, True]
    (world / "home/index/mara/manifest.json").write_text("{", "utf-8")
    assert launch("knowledge", "stats", "mara").out.splitlines()[1].split() == ["mara", "damaged"]


def test_a_new_role_knows_its_page(world: Path, launch: Launch) -> None:
    launch("role", "new", "wen", "--name", "Wen")
    assert "wen: 1 file (1 new" in launch("knowledge", "build", "wen").out
    assert titles(launch("knowledge", "search", "wen", "When did Wen come to this table?", "--json")) == [["Wen"]]
    asked = launch("knowledge", "search", "wen", "Good evening", "--lines", "--raw", "--json")
    assert json.loads(asked.out)["hits"][0]["source"] == "lines.jsonl"
