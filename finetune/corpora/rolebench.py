"""RoleBench: in every record a role, a question and what the role would answer.

Each becomes a scene of two lines; of several answers the first is taken. It does not know who asks: that is `User`, or
`用户` where the question is in Chinese.
"""

from collections.abc import Iterator

from finetune.corpora._records import SUFFIXES as _SUFFIXES
from finetune.corpora._records import Placed, first, records, text_of
from finetune.corpora._spoken import asker, spoken
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "RoleBench: role, question, generated"
SUFFIXES = _SUFFIXES
PRIVATE = False


def claims(head: Head) -> float:
    return 1.0 if {"role", "question", "generated"} <= {*first(head).keys} else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    for record in records(file):
        role, question = text_of(record.fields.get("role")), text_of(record.fields.get("question"))
        asked = spoken(asker(question), question)
        answered = spoken(role, _answer(file, record))
        if asked and answered and answered.name:
            yield Scene(lines=[asked, answered], source=f"{file.name}, {record.place}")
        else:
            file.skip(record.place, "it lacks a role, a question or an answer")


def _answer(file: CorpusFile, record: Placed) -> str:
    answers = record.fields.get("generated")
    if not isinstance(answers, list):
        return text_of(answers)
    texts = [text for text in map(text_of, answers) if text]
    if len(texts) > 1:
        file.note(record.place, "of several answers the first is taken")
    return texts[0] if texts else ""
