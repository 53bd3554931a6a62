"""JSON as chat exporters write it: one file that is read as a whole, its messages one by one.

Only the messages' bytes are kept until their turn comes, so that memory holds the file and one message. Fields may be
of any type, as many programs wrote them: what can't be understood counts as absent. Knows no exporter.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from finetune.corpora._bubbles import LARGEST, check_size
from finetune.corpora.base import CorpusFile
from knowledge.encodings import read_text
from knowledge.errors import UnreadableError

Fields: TypeAlias = Mapping[str, object]
_Form = TypeVar("_Form")

_NO_RECORD = "it is no message: an object with fields is expected"
_RECORD = msgspec.json.Decoder(dict[str, Any])


def decoded(file: CorpusFile, form: type[_Form]) -> _Form:
    """The export, as far as `form` names its fields.

    Raises:
        UnreadableError: It is too large, damaged, or of another form.
    """
    check_size(file)
    try:
        return msgspec.json.decode(read_text(file, LARGEST), type=form)
    except msgspec.ValidationError as error:
        raise UnreadableError(file.name, f"it is not such an export: {error}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableError(file.name, f"it is damaged or cut off: {error}; export it again") from None
    except RecursionError:
        raise UnreadableError(file.name, "it is nested too deeply") from None


def records(file: CorpusFile, raws: list[msgspec.Raw], within: str = "") -> Iterator[tuple[str, Fields]]:
    """Messages with their places; what is none is told.

    Args:
        within: What stands before `message 3` in a place, as `chat 2, `.
    """
    for number, raw in enumerate(raws, start=1):
        place = f"{within}message {number}"
        try:
            yield place, _RECORD.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            file.skip(place, _NO_RECORD)


def text_of(value: object) -> str:
    """A text or a whole number as text; "" for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else ""
    return ""


def fields_of(value: object) -> Fields:
    """An object's fields; none for all else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[object]:
    """A list's items; none for all else."""
    return value if isinstance(value, list) else []
