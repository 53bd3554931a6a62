"""Scores and figures of replies, what is known of a table, and the page that shows it all."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatroom.roles import Role, read_role
from chatroom.rooms import RoomFile
from evals.judging import Score, figures, judged
from evals.known import known_of
from evals.report import Results, rows, write_report
from evals.tasks.base import Known
from finetune.errors import WorkshopError
from tests.evals.replies import known, reply
from tests.table import write_role


def score(name: str, *texts: str) -> Score:
    return {each.task: each for each in judged([reply(text) for text in texts], known())}[name]


def test_a_share_counts_who_was_asked() -> None:
    found = score("ending", "The lamp is lit.", "The lamp is", "Mind the step.", "The")
    assert (found.asked, found.share) == (4, 0.5)
    assert [each.reply.text for each in found.failures] == ["The lamp is", "The"]
    assert {each.why for each in found.failures} == {"it stops in the middle"}


def test_a_task_that_nobody_was_asked_passes() -> None:
    assert (score("fact", "The lamp is lit.").asked, score("fact").share) == (0, 1.0)


def test_figures_of_some_replies() -> None:
    waits = [0.1] * 19 + [2.0]
    found = figures([reply("the lamp is lit", first=wait, seconds=wait + 1, used=41) for wait in waits])
    assert (found.words, found.distinct, found.speed) == (4.0, 3 / 60, 40.0)
    assert found.first[0] == 0.1
    assert 0.1 < found.first[1] <= 2.0


def test_figures_of_one_reply() -> None:
    found = figures([reply("灯亮着呢", first=0.3, seconds=0.3)])
    assert (found.words, found.distinct, found.first, found.speed) == (4.0, 1.0, (0.3, 0.3), 0.0)


def test_figures_of_no_reply() -> None:
    found = figures([])
    assert (found.words, found.distinct, found.first, found.speed) == (0.0, 0.0, (0.0, 0.0), 0.0)
    assert rows({}) == []
    assert rows({"Mara": ([], judged([], known()), found)})[1][-1] == "-"


# --- the page --------------------------------------------------------------------------------------------------------

EVIL = "</article><script>alert('x')</script>&"


def results(*texts: str, name: str = "Mara Vell") -> Results:
    replies = [reply(text, f"Ann: {EVIL}", told="A page.") for text in texts]
    return {name: (replies, judged(replies, known()), figures(replies))}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [key for key, _ in attrs if key in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(tmp_path: Path, found: Results, title: str = "The inn") -> _Page:
    write_report(tmp_path / "new" / "report.html", found, title)
    return _Page((tmp_path / "new" / "report.html").read_text("utf-8"))


def test_nothing_on_the_page_is_run(tmp_path: Path) -> None:
    shown = page(tmp_path, results(EVIL, name=EVIL), EVIL)
    assert "script" not in shown.tags
    assert shown.text.count("alert('x')") >= 5  # title twice, name in table and above, what was heard, the reply


def test_the_page_holds_every_reply(tmp_path: Path) -> None:
    texts = [f"The lamp is lit {at} times." for at in range(30)]
    shown = page(tmp_path, results(*texts))
    assert [text for text in texts if text not in shown.text] == []
    assert shown.tags.count("article") == 30


def test_the_page_says_all_that_is_wrong(tmp_path: Path) -> None:
    text = page(tmp_path, results("Zorblax")).text
    assert "ending: it stops in the middle; fluency: there is no word 'zorblax'; length: it has 1 words" in text
    assert "talk, mara.txt, line 3; told: A page" in text


def test_the_page_opens_without_network(tmp_path: Path) -> None:
    shown = page(tmp_path, results("The lamp is lit."))
    assert shown.links == []
    assert not re.search(r"https?://|@import|url\(", (tmp_path / "new/report.html").read_text("utf-8"))


def test_the_page_says_how_sure_a_judge_is() -> None:
    (each,) = [each for each in judged([reply("The lamp is lit.")], known()) if each.task == "voice"]
    sure = replace(each, reliability=0.87)
    table = rows({"Mara": ([], [sure], figures([]))})
    assert "(right about 87% of lines that it has not seen)" in table[1][0]
    assert "right about" not in rows({"Mara": ([], [each], figures([]))})[1][0]


# --- what is known ---------------------------------------------------------------------------------------------------


def make_role(home: Path, id: str, **files: str) -> Role:
    folder = write_role(home / "roles", id, name=f"{id.title()} Vell", extra='greeting = "Evening, Zelda."')
    (folder / "wiki").mkdir()
    for name, text in files.items():
        (folder / name.replace("__", "/").replace("_dot_", ".")).write_text(text, "utf-8")
    with (folder / "role.toml").open("a", encoding="utf-8") as toml:
        toml.write('[knowledge]\nsources = ["wiki"]\n')
    return read_role(folder, home / "models")


def room(home: Path) -> RoomFile:
    (home / "lore").mkdir(parents=True)
    (home / "lore/pier.md").write_text("The pier is by Orla.", "utf-8")
    (home / "lore/old.txt").write_bytes("灯塔的老海。".encode("gb18030"))
    (home / "sea.md").write_text("Brun the seal.", "utf-8")
    return RoomFile(premise="A storm. Ingrid knocks.", documents=(home / "lore", home / "sea.md"))


def read(home: Path, **files: str) -> Known:
    return known_of([make_role(home, "mara", **files)], room(home))


def test_names_of_pages_and_roles_are_found(tmp_path: Path) -> None:
    names = read(tmp_path, wiki__lens_dot_md="Petra made the lens.", notes_dot_txt="Gustav was here.").names
    assert {"Petra", "Orla", "Brun", "Ingrid", "Zelda", "Mara", "Vell", "老"} <= names
    assert not {"Gustav", "lens"} & names


def test_words_are_known_with_their_base(tmp_path: Path) -> None:
    (tmp_path / "roles/mara").mkdir(parents=True)
    assert read(tmp_path).words == frozenset()
    base = tmp_path / "base"
    (base / "scenes").mkdir(parents=True)
    (base / "scenes/talk.jsonl").write_text('{"text": "herring"}', "utf-8")
    role = replace(make_role(tmp_path / "b", "mara", wiki__lens_dot_md="Petra’s lens."), base=str(base))
    words = known_of([role], room(tmp_path / "b")).words
    assert {"herring", "petra's", "lens", "pier", "storm", "evening", "灯"} <= words


def test_lines_are_read_by_name(tmp_path: Path) -> None:
    row = '{"context": [{"name": "Ann", "text": "Hi."}], "reply": "灯亮着。"}'
    assert read(tmp_path, lines_dot_jsonl=f"\ufeff{row}\n\n{row}\n").lines == {"Mara Vell": ["灯亮着。", "灯亮着。"]}


@pytest.mark.parametrize("row", ["{}", "[1]", "{", '{"reply": 1, "context": []}', "[" * 100_000], ids=range(5))
def test_a_bad_record_is_named(tmp_path: Path, row: str) -> None:
    good = '{"context": [], "reply": "Aye."}'
    with pytest.raises(WorkshopError, match=r"lines\.jsonl, line 2: it is no record"):
        read(tmp_path, lines_dot_jsonl=f"{good}\n{row}\n")
