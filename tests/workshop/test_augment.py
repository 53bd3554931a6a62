"""Augmenting: what a model writes is checked, marked, kept once and never asked for twice."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from chatroom import plugins
from chatroom.engines.base import EngineOptions, Facts
from chatroom.errors import EngineError
from finetune.augment import chapters, lines, pages
from finetune.augment.copies import Said, is_copied
from finetune.augment.job import Job, Outcome
from finetune.augment.journal import Journal
from finetune.augment.replies import read, usable
from finetune.augment.running import run
from finetune.augment.writer import Writer
from finetune.dialogue import Line, Record, read_records
from finetune.errors import WorkshopError
from knowledge.documents import Document, Section
from tests.workshop.limits import full_disk

scripted = plugins.load("chatroom.engines", "scripted")
CHAT, ROOM = Facts(context=4096, has_template=True), Facts(context=4096)
JOB = Job(task="pages", instruction="write", material="The lamp is old.", wanted=3, asker="Player", role="Mara")


def a_job(number: int) -> Job:
    return msgspec.structs.replace(JOB, material=f"page {number}")


def pair(number: int) -> str:
    words = ["tide", "lamp", "gull", "rope", "storm", "bread", "ghost", "coin"]
    return (
        f"Q: What of the {words[number] * 3}?\nA: The {words[number]} {number} is nobody's business, {words[-number]}."
    )


async def ask(
    jobs: Sequence[Job], folder: Path, *replies: object, facts: Facts = CHAT, at_once: int = 4
) -> tuple[Outcome, list, object]:
    engine = scripted.Engine(EngineOptions(base=""))
    engine.script.extend(
        reply if isinstance(reply, scripted.Reply) else scripted.Reply(text=str(reply)) for reply in replies
    )
    await engine.start()
    with Journal(folder, "pages") as journal:
        outcome = await run(jobs, Writer(engine, facts, made_by="scripted/none"), journal, at_once=at_once)
        return outcome, journal.records, engine


@pytest.mark.parametrize(
    "reply",
    [
        "Q: Who lit it?\nA: I did.",
        "Sure! Here you go:\n\n**Q1:** Who lit it?\n**A1:** I did.\n",
        "1. Question: Who lit it?\n   Answer: Mara: I did.",
        "Q：“Who lit it?”\r\nA：I did.",
        '```json\n[{"question": "Who lit it?", "answer": "I did."}]\n```',
        '{"pairs": [{"Q": "Who lit it?", "A": "I did."}]}',
    ],
)
def test_pairs_are_read_however_written(reply: str) -> None:
    assert [usable(given, JOB) for given in read(reply, JOB)] == [{"Q": "Who lit it?", "A": "I did."}]


def test_several_pairs_over_several_lines() -> None:
    given = read("Q: one?\nA: first\nand more\n\nQ: two?\nA: second", JOB)
    assert given == [{"Q": "one?", "A": "first\nand more"}, {"Q": "two?", "A": "second"}]


@pytest.mark.parametrize(
    "reply",
    [
        "I would rather not.",
        "Q: Who lit it?",
        "Q: Who lit it?\nA:",
        "Q: <question>\nA: <answer>",
        "Q: Who?\nA: As an AI language model I have no lamp.",
        f"Q: Who?\nA: {'on and ' * 1000}",
        '[{"Q": 3, "A": ["x"]}]',
        "Q: Who lit it?\nA: I \ufffd\ufffd did.",
        "Q: Who lit it?\nA: I did\x1b[31m.",
        "[" * 5000,
    ],
)
def test_what_is_unusable_is_not_kept(reply: str) -> None:
    assert not any(usable(given, JOB) for given in read(reply, JOB))


def test_a_chinese_job_wants_chinese() -> None:
    chinese = msgspec.structs.replace(JOB, language="zh")
    assert usable({"Q": "谁点的灯？", "A": "I did."}, chinese) is None
    assert [usable(given, chinese) for given in read("问题1：谁点的灯？\n回答1：我。", chinese)] == [
        {"Q": "谁点的灯？", "A": "我。"}
    ]


async def test_records_say_who_made_them(tmp_path: Path) -> None:
    outcome, _, _ = await ask([JOB], tmp_path, "Q: Who lit it?\nA: I did.")
    kept, _ = read_records(tmp_path / "pages.jsonl")
    assert kept == [
        Record(
            context=[Line(name="Player", text="Who lit it?", made_by="scripted/none")],
            reply="I did.",
            made_by="scripted/none",
        )
    ]
    assert outcome == Outcome(jobs=1, asked=1, kept=1)


async def test_unusable_replies_are_counted(tmp_path: Path) -> None:
    outcome, records, _ = await ask(
        [a_job(1), a_job(2)], tmp_path, "no", "Q: Who?\nA:\nQ: Where is it?\nA: In the tower."
    )
    assert (outcome.kept, outcome.unusable, len(records)) == (1, 2, 1)


async def test_copies_are_dropped(tmp_path: Path) -> None:
    page = "The lamp of the tower was lit by the keeper's daughter in the year of the storm."
    job = msgspec.structs.replace(JOB, sources=(page,))
    twice = "Q: When was the lamp lit?\nA: In the storm, as they tell it."
    outcome, records, _ = await ask([job], tmp_path, f"Q: What?\nA: {page}\n{twice}\n{twice.replace(',', ' –')}")
    assert (outcome.kept, outcome.copies, len(records)) == (1, 2, 1)


async def test_a_second_run_asks_nothing_twice(tmp_path: Path) -> None:
    first, _, _ = await ask([a_job(1), a_job(2)], tmp_path, pair(1), "nothing usable")
    second, records, engine = await ask([a_job(1), a_job(2), a_job(3)], tmp_path, pair(3))
    assert (first.asked, second.before, second.asked) == (2, 2, 1)
    assert len(engine.asked) == 1
    assert len(records) == 2


async def test_a_second_run_repeats_nothing(tmp_path: Path) -> None:
    await ask([a_job(1)], tmp_path, pair(1))
    outcome, records, _ = await ask([a_job(2)], tmp_path, pair(1))
    assert (outcome.copies, len(records)) == (1, 1)


async def test_an_engine_that_fails_ends_the_run(tmp_path: Path) -> None:
    broken = scripted.Reply(error=EngineError("it went away", code="engine_lost"))
    jobs = [a_job(number) for number in range(1, 30)]
    outcome, records, engine = await ask(jobs, tmp_path, pair(1), broken, pair(2), pair(3))
    assert outcome.error == "it went away"
    assert len(records) == outcome.kept
    assert outcome.kept >= 1
    assert len(engine.asked) < 10
    again, records, _ = await ask(jobs[:8], tmp_path, *map(pair, range(4, 8)))
    assert again.before == outcome.asked
    assert not again.error


async def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    await ask([a_job(1)], tmp_path, pair(1))
    engine = scripted.Engine(EngineOptions(base=""))
    engine.script.extend(scripted.Reply(text=pair(number)) for number in range(2, 8))
    await engine.start()
    with Journal(tmp_path, "pages") as journal:
        with full_disk():
            outcome = await run([a_job(n) for n in range(1, 8)], Writer(engine, CHAT, made_by="x"), journal)
        assert str(journal.path) in outcome.error
        assert "it can't be written" in outcome.error
        assert "make room on the disk" in outcome.error
    outcome, _, engine = await ask([a_job(1), a_job(2)], tmp_path, pair(2))
    assert (outcome.before, outcome.kept, len(engine.asked)) == (1, 1, 1)


async def test_few_are_asked_at_a_time(tmp_path: Path) -> None:
    gate = scripted.Gate()
    engine = scripted.Engine(EngineOptions(base=""))
    engine.script.extend(scripted.Reply(text=pair(number), gate=gate) for number in range(1, 8))
    await engine.start()
    with Journal(tmp_path, "pages") as journal:
        jobs = [a_job(number) for number in range(1, 8)]
        going = asyncio.create_task(run(jobs, Writer(engine, CHAT, made_by="x"), journal))
        await gate.reached.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(engine.asked) == 4
        gate.opened.set()
        assert (await going).asked == 7


async def test_progress_is_told_after_every_job(tmp_path: Path) -> None:
    engine, told = scripted.Engine(EngineOptions(base="")), []
    engine.script.extend(scripted.Reply(text=pair(number)) for number in (1, 2, 3))
    await engine.start()
    with Journal(tmp_path, "pages") as journal:
        await run([a_job(n) for n in (1, 2, 3)], Writer(engine, CHAT, made_by="x"), journal, told.append)
    assert [outcome.asked for outcome in told] == [1, 2, 3]


async def test_a_base_without_template_goes_on(tmp_path: Path) -> None:
    record = Record(context=[Line(name="Bo", text="Cold night.")], reply="Colder at sea.")
    (job,) = lines.jobs([record], role="Mara", persona="A keeper.", asker="Bo", count=1)
    _, records, engine = await ask([job], tmp_path, " Who is there?\nA: me", " Only the gulls.", facts=ROOM)
    assert [(r.context[0].text, r.reply) for r in records] == [("Who is there?", "Only the gulls.")]
    first, second = (asked.prompt for asked in engine.asked)
    assert (first.layout, first.start, second.start) == ("room", "Q:", "A:")
    assert [line.text for line in second.lines] == ["Q: Cold night.", "A: Colder at sea.", "Q: Who is there?"]


async def test_a_full_context_costs_one_job(tmp_path: Path) -> None:
    full = scripted.Reply(error=EngineError("the context is full", code="too_long"))
    jobs = [msgspec.structs.replace(a_job(number), wanted=1) for number in (1, 2)]
    said = ("gulls " * 300, full, "Who rings?", "Osric does.")
    outcome, records, _ = await ask(jobs, tmp_path, *said, facts=ROOM, at_once=1)
    assert (outcome.asked, outcome.unusable, outcome.error) == (2, 1, "")
    assert [record.reply for record in records] == ["Osric does."]


async def test_a_base_with_template_is_asked(tmp_path: Path) -> None:
    _, _, engine = await ask([JOB], tmp_path, pair(1))
    prompt = engine.asked[0].prompt
    assert (prompt.layout, prompt.premise, prompt.start) == ("chat", "write", "")
    assert prompt.lines[0].said == JOB.material


async def test_long_material_is_cut_to_context(tmp_path: Path) -> None:
    long = msgspec.structs.replace(JOB, material="word " * 5000)
    _, _, engine = await ask([long], tmp_path, pair(1), facts=Facts(context=512, has_template=True))
    assert len(engine.asked[0].prompt.lines[0].text.split()) < 512


async def test_too_small_a_context_is_said(tmp_path: Path) -> None:
    long = msgspec.structs.replace(JOB, instruction="word " * 600)
    outcome, _, _ = await ask([long], tmp_path, facts=Facts(context=512, has_template=True))
    assert "too small" in outcome.error


def test_a_row_cut_short_is_asked_again(tmp_path: Path) -> None:
    record = Record(context=[Line(name="a", text="b")], reply="c")
    with Journal(tmp_path, "pages") as journal:
        journal.add("one", [record])
        journal.add("two", [record, record])
    path = tmp_path / "pages.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    (tmp_path / "pages.asked").write_text("one\ntw")
    path.write_bytes(rows[0] + rows[1] + rows[2][:9])
    with Journal(tmp_path, "pages") as journal:
        assert (journal.asked, journal.records) == ({"one"}, [record])
        journal.add("two", [record])
    assert len(read_records(path)[0]) == 2


def test_deleted_records_are_not_asked_again(tmp_path: Path) -> None:
    with Journal(tmp_path, "pages") as journal:
        journal.add("one", [Record(context=[], reply="c")])
    (tmp_path / "pages.jsonl").write_text("")
    with Journal(tmp_path, "pages") as journal:
        assert (journal.asked, journal.records) == ({"one"}, [])


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "pages.jsonl").write_text(json.dumps({"context": [], "reply": "x"}) + "\nnonsense\n")
    with pytest.raises(WorkshopError, match=r"line 2.*isn't a record.*delete"):
        Journal(tmp_path, "pages")


def test_one_run_writes_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path, "pages"), pytest.raises(WorkshopError, match="another run"):
        Journal(tmp_path, "pages")


def test_a_journal_without_a_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    (tmp_path / "other/pages.asked").mkdir(parents=True)
    for folder in ("made", "other"):
        with pytest.raises(WorkshopError, match=rf"{folder}/pages.*can't be written"):
            Journal(tmp_path / folder, "pages")


def test_pages_become_jobs_piece_by_piece() -> None:
    text = "\n\n".join(f"Paragraph {number} tells of the tower. " * 20 for number in range(6))
    page = Document(source="a.md", title="Tower", sections=(Section(text=text),))
    secret = Document(source="b.md", title="Secret", sections=(Section(text=text),), audience=("Bo",))
    made = pages.jobs([page, secret], role="Mara", persona="A keeper {x}.", asker="Player")
    assert len(made) > 2
    assert all("Tower" in job.material and "A keeper {x}." in job.instruction for job in made)
    assert all(f"Paragraph {number} " in "".join(job.material for job in made) for number in range(6))
    assert len({job.key for job in made}) == len(made)


def test_the_same_lines_are_shown_again() -> None:
    own = [Record(context=[Line(name="Bo", text=f"q{number}")], reply=f"a{number}") for number in range(20)]
    made = [Record(context=[Line(name="Bo", text="MADE")], reply="MADE", made_by="x")]
    first, second = (lines.jobs(own + made, role="M", persona="", asker="Bo", count=6) for _ in range(2))
    assert [job.key for job in first] == [job.key for job in second]
    assert len({job.key for job in first}) == 6
    assert not any("MADE" in job.material for job in first)


def test_a_role_without_lines_is_told() -> None:
    with pytest.raises(WorkshopError, match="no lines of its own"):
        lines.jobs([], role="Mara", persona="", asker="Bo", count=1)


async def test_chapters_lead_to_the_known_line(tmp_path: Path) -> None:
    known = [chapters.Known("风雪夜，他推开门。", "你来迟了。"), chapters.Known("x", " ")]
    jobs = chapters.jobs(known, role="林越", persona="剑客", asker="阿远", language="zh")
    assert len(jobs) == 1
    _, records, _ = await ask(jobs, tmp_path, "P: 风雪夜的客栈里。\nQ: 我路上耽搁了。")
    assert [(line.name, line.text) for line in records[0].context] == [
        ("", "风雪夜的客栈里。"),
        ("阿远", "我路上耽搁了。"),
    ]
    assert records[0].reply == "你来迟了。"


async def test_a_prompt_that_gives_the_line_away(tmp_path: Path) -> None:
    line = "你来得太迟了，门外的雪已经停了很久。"
    jobs = chapters.jobs([chapters.Known("夜。", line)], role="林越", persona="", asker="阿远", language="zh")
    outcome, _, _ = await ask(jobs, tmp_path, f"P: 客栈。\nQ: {line}")
    assert (outcome.kept, outcome.copies) == (0, 1)


def test_copies_are_told_by_their_words() -> None:
    said = Said()
    assert said.add("The lamp burns all night for the ships.")
    assert not said.add("the lamp burns all night, for the ships!")
    assert said.add("Nobody lights a fire for those who stay.")
    assert is_copied("灯塔的灯整夜为船只亮着，从不熄灭", ["从前，灯塔的灯整夜为船只亮着，从不熄灭。后来"])
    assert not is_copied("我每晚都去看看那盏灯，怕它灭了", ["从前，灯塔的灯整夜为船只亮着，从不熄灭。后来"])
