"""The answer of a record, where there may be a good and a bad one: the good one is taken, and told.

An answer is a text, or a turn of its own with the text under `value` or `content`, or a list of turns of which the last
is meant. A record that is marked as a bad example has none. It does not know how turns become lines.
"""

from collections.abc import Sequence

from finetune.corpora._records import Placed, text_of
from finetune.corpora.base import CorpusFile


def preferred(file: CorpusFile, record: Placed, keys: Sequence[str] = ("chosen",)) -> str:
    """The first answer under these keys; "" if there is none.

    Raises:
        ValueError: The record is an example of how not to answer.
    """
    if record.fields.get("kto_tag") is False:
        raise ValueError("it is marked as a bad answer")
    for key in keys:
        if answer := _answer(record.fields.get(key)):
            if key == "chosen":
                file.note(record.place, "of two answers the chosen one is taken")
            return answer
    return ""


def _answer(value: object) -> str:
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        return text_of(value.get("value")) or text_of(value.get("content"))
    return text_of(value)
