"""One record in JSON → one document. Knows neither lines nor lists; a bad record is a ValueError for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from knowledge.documents import Document, Section
from knowledge.encodings import decode
from knowledge.sources._fields import aliases, audience, url
from knowledge.sources.base import SourceFile

_TEXT = ("text", "content", "body", "passage", "context")
_TITLE = ("title", "name", "heading")
_ID = ("id", "_id", "doc_id")


def opening(head: bytes) -> str:
    """How a file begins, without leading space; "" for what is no text."""
    try:
        return decode(head).lstrip()
    except ValueError:
        return ""


def parsed(data: str | msgspec.Raw) -> Any:
    """Reads JSON.

    Raises:
        ValueError: It is none.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def document(file: SourceFile, place: str, record: object) -> Document:
    """The document of a record: an object with a text in it, or a text by itself.

    Raises:
        ValueError: It holds no text, or an audience that can't be understood.
    """
    fields = {"text": record} if isinstance(record, str) else record
    if not isinstance(fields, dict):
        raise ValueError("it is neither an object nor a text")
    text = _first(fields, _TEXT)
    if not text:
        raise ValueError(f"it has no text: write it under {', '.join(_TEXT[:-1])} or {_TEXT[-1]}")
    return Document(
        source=file.name,
        place=place,
        id=_first({key: _numbered(fields[key]) for key in _ID if key in fields}, _ID),
        title=_first(fields, _TITLE) or file.stem,
        sections=(Section(text=text.replace("\r\n", "\n")),),
        aliases=aliases(fields),
        url=url(fields),
        audience=audience(fields),
    )


def _numbered(value: object) -> object:
    return str(value) if isinstance(value, int) else value


def _first(fields: Mapping[str, object], keys: Sequence[str]) -> str:
    """The first of these fields that says something."""
    texts = (fields.get(key) for key in keys)
    return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")
