"""Instruction sets in the way of Alpaca: instruction, input and output in every record, perhaps system and history.

The user's side becomes `User` or `用户`, the answer is the role's (`options.me`). An input that is a conversation in
rows of `Name:text` becomes its lines, and the instruction above it the premise. Records of several such turns under
`conversation` are read too; of a preference, the chosen answer. It does not know who the role is.
"""

from collections.abc import Iterator, Sequence

from finetune.corpora._preferred import preferred
from finetune.corpora._records import SUFFIXES as _SUFFIXES
from finetune.corpora._records import Fields, Placed, first, text_of
from finetune.corpora._turns import Turn, read_talks
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "instruction sets: instruction, input, output"
SUFFIXES = _SUFFIXES
PRIVATE = False

_ANSWERS = ("output", "response", "chosen")


def claims(head: Head) -> float:
    record = first(head)
    if "instruction" in record.keys and any(key in record.keys for key in _ANSWERS):
        return 0.95
    if {"conversation", "input", "output"} <= {*record.keys, *_inner_keys(record.fields)}:
        return 0.95
    return 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    return read_talks(file, _turns)


def _inner_keys(fields: Fields) -> Sequence[str]:
    inner = fields.get("conversation")
    return [*inner[0]] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else []


def _turns(file: CorpusFile, record: Placed) -> list[Turn]:
    several = record.fields.get("conversation")
    if not isinstance(several, list):
        return _exchange(file, record)
    exchanges = [Placed(record.place, one) for one in several if isinstance(one, dict)]
    if len(exchanges) < len(several):
        file.skip(record.place, "a turn is no JSON object")
    return [turn for one in exchanges for turn in _exchange(file, one)]


def _exchange(file: CorpusFile, record: Placed) -> list[Turn]:
    answer = preferred(file, record, _ANSWERS)
    if not answer:
        raise ValueError(f"it has no answer: write it under {_ANSWERS[0]}")
    system = text_of(record.fields.get("system"))
    turns = [Turn("system", system)] if system else []
    turns += _earlier(file, record)
    turns += _asked(text_of(record.fields.get("instruction")), text_of(record.fields.get("input")))
    return [*turns, Turn("reply", answer)]


def _asked(instruction: str, given: str) -> list[Turn]:
    if instruction and given:
        return [Turn("user", given, lead=instruction)]
    return [Turn("user", instruction or given)] if instruction or given else []


def _earlier(file: CorpusFile, record: Placed) -> Iterator[Turn]:
    """The turns of `history`: pairs of a question and its answer."""
    history = record.fields.get("history") or []
    for pair in history if isinstance(history, list) else [history]:
        if isinstance(pair, list) and len(pair) == 2 and all(map(text_of, pair)):
            yield from (Turn("user", text_of(pair[0])), Turn("reply", text_of(pair[1])))
        else:
            file.skip(record.place, "what was said before is not a question with its answer")
