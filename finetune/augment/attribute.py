"""Speeches of a novel that belong to nobody known → questions to a model: who says them, of the names that are known.

A question holds a run of such speeches, numbered, with the passage around them. The answer is an object in JSON: to
each number a name of the list, or `unknown`; anything else is refused. It knows no engine and no file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from finetune.augment.job import Job
from finetune.dialogue import Line, Scene

UNKNOWN = "unknown"
MOST_SPEECHES = 10
"""Speeches of one question."""
MOST_BETWEEN = 3
"""Other lines between two speeches of one question."""
BEFORE, AFTER = 6, 3
"""Lines around them that are shown."""
LONGEST = 400
"""Characters of a line that are shown."""
MOST_NAMES = 30
"""Names of one question: those of the scene, then the most usual ones."""
_LONGEST_ANSWER = 10_000

_TOLD = {
    "en": "You are given a passage of a novel. Some speeches in it are numbered, as [1]. Say who speaks each of them. "
    "Use only these names: {names}. Where the passage doesn't make it clear, write {unknown}. {narrator}Write nothing "
    "but one object in JSON on one line, with every number and a name, in this form: {form}",
    "zh": "下面是小说中的一段，有些话前面有编号，如[1]。请说出每句话是谁说的。只能用这些名字：{names}。"
    "看不出是谁说的，就写{unknown}。{narrator}只写一行JSON，每个编号对应一个名字，格式如下：{form}",
}
_NARRATOR = {"en": "{name} is the one who tells the book. ", "zh": "“{name}”是讲故事的人。"}
_NARRATORS = ("I", "我")

Split = Callable[[str], tuple[str, str, str] | None]
"""Parts a line of narration that is a speech into what is told before it, the speech, and what is told after."""


class Place(NamedTuple):
    """Where a speech stands: the scene's and the line's index."""

    scene: int
    line: int


class Question(NamedTuple):
    """A job, and what its numbers stand for."""

    job: Job
    names: tuple[str, ...]
    places: tuple[Place, ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one question: a name by each number that has one, and how many answers were refused."""

    names: dict[str, str]
    unknown: int = 0
    refused: int = 0


def questions(
    scenes: Sequence[Scene], split: Split, *, is_open: Callable[[Scene], bool] = lambda scene: True
) -> list[Question]:
    """Makes questions of all speeches that nobody is known to say.

    Args:
        is_open: Whether a scene is of a novel, where a speech may stand in the narration.
    """
    usual = Counter(line.name for scene in scenes for line in scene.lines if line.name)
    made: list[Question] = []
    for at, scene in enumerate(scenes):
        if is_open(scene) and usual:
            spoken = [place for place, line in enumerate(scene.lines) if not line.name and split(line.text)]
            made += [_question(at, scene.lines, run, usual) for run in _runs(spoken)]
    return made


def read(reply: str, question: Question) -> Answer:
    """What a reply says; what is no name of the list is refused, and all of a reply that isn't such an object."""
    size = len(question.places)
    begin, end = reply.find("{"), reply.rfind("}")
    if begin < 0 or end - begin > _LONGEST_ANSWER:
        return Answer(names={}, refused=size)
    try:
        said = msgspec.json.decode(reply[begin : end + 1].encode("utf-8", "replace"), type=dict[str, str])
    except (msgspec.MsgspecError, RecursionError):
        return Answer(names={}, refused=size)
    numbers = [str(number) for number in range(1, size + 1)]
    if not set(said) <= set(numbers):
        return Answer(names={}, refused=size)
    names = {number: said[number] for number in numbers if said.get(number) in question.names}
    unknown = sum(said.get(number) == UNKNOWN for number in numbers)
    return Answer(names=names, unknown=unknown, refused=size - len(names) - unknown)


def attributed(
    scenes: Sequence[Scene], answers: Sequence[tuple[Question, Answer]], split: Split, made_by: str
) -> list[Scene]:
    """The scenes with the speeches given to those whom the model named; each such line says which model that was."""
    named: dict[int, dict[int, str]] = {}
    for question, answer in answers:
        for number, place in enumerate(question.places, start=1):
            if name := answer.names.get(str(number)):
                named.setdefault(place.scene, {})[place.line] = name
    return [
        msgspec.structs.replace(scene, lines=list(_lines(scene.lines, named[at], split, made_by)))
        if at in named
        else scene
        for at, scene in enumerate(scenes)
    ]


def _lines(lines: Sequence[Line], named: Mapping[int, str], split: Split, made_by: str) -> Iterator[Line]:
    for at, line in enumerate(lines):
        parts = split(line.text) if at in named else None
        if parts is None:
            yield line
            continue
        before, speech, after = parts
        if before:
            yield msgspec.structs.replace(line, text=before)
        yield msgspec.structs.replace(line, name=named[at], text=speech, made_by=made_by)
        if after:
            yield msgspec.structs.replace(line, text=after)


def _runs(spoken: Sequence[int]) -> Iterator[list[int]]:
    """Speeches that stand near one another."""
    run: list[int] = []
    for at in spoken:
        if run and (at - run[-1] > MOST_BETWEEN + 1 or len(run) == MOST_SPEECHES):
            yield run
            run = []
        run.append(at)
    if run:
        yield run


def _question(scene: int, lines: Sequence[Line], run: Sequence[int], usual: Counter[str]) -> Question:
    here = Counter(line.name for line in lines if line.name)
    names = tuple(
        dict.fromkeys([*(name for name, _ in here.most_common()), *(name for name, _ in usual.most_common())])
    )
    names = names[:MOST_NAMES]
    shown = range(max(0, run[0] - BEFORE), min(len(lines), run[-1] + AFTER + 1))
    passage = "\n".join(_shown(lines[at], run.index(at) + 1 if at in run else 0) for at in shown)
    return Question(_job(passage, names), names, tuple(Place(scene, at) for at in run))


def _shown(line: Line, number: int) -> str:
    text = " ".join(line.text[:LONGEST].split())
    return f"[{number}] {text}" if number else f"{line.name}: {text}" if line.name else text


def _job(passage: str, names: Sequence[str]) -> Job:
    language: Literal["zh", "en"] = "zh" if re.search("[\u3400-\u9fff]", passage) else "en"
    example = msgspec.json.encode({"1": names[0], "2": UNKNOWN}).decode()
    narrator = next((name for name in names if name in _NARRATORS), "")
    told = _TOLD[language].format(
        names=(", " if language == "en" else "、").join(names),
        unknown=UNKNOWN,
        narrator=_NARRATOR[language].format(name=narrator) if narrator else "",
        form=example,
    )
    return Job(
        task="attribute",
        instruction=told,
        material=passage,
        fields=("A",),
        wanted=1,
        examples=({"A": example},),
        asker="",
        role="",
        language=language,
    )
