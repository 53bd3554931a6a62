"""Which format reads a file: the surest of those with its suffix. The formats are behind `plugins.load`.

A chat that is as good as surely one is read as a chat: what is taken for anything else is not scrubbed. Whatever goes
wrong with a file is told of that file (`told_of`). It knows no scenes.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import cast

from chatroom import plugins
from finetune.corpora.base import HEAD, Corpus, Head
from knowledge.encodings import decode
from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile

KIND = "finetune.corpora"
SURE = 0.9
"""From which claim on a format of people's own talk goes before any other."""

log = logging.getLogger(__name__)


def formats() -> list[str]:
    """Names of the formats, without importing any."""
    return plugins.names(KIND)


def format_of(file: SourceFile) -> str:
    """Names the format that reads a file: of those with its suffix the surest, a chat before others where it is sure.

    Of equally sure ones it is the first by name.

    Raises:
        UnreadableError: None claims it; the text says which there are and how to choose one.
    """
    with told_of(file.name):
        name = file.name.lower()
        known = {each: corpus_named(each) for each in formats()}
        head = _head(file)
        sure = {each: known[each].claims(head) for each in known if name.endswith(known[each].SUFFIXES)}
        best = max(sure, key=lambda each: (known[each].PRIVATE and sure[each] >= SURE, sure[each]), default="")
        # max keeps the first of equals, and names are sorted
        if best and sure[best] > 0:
            return best
    raise UnreadableError(file.name, _unclaimed(head.suffix, known, sorted(sure)))


def corpus_named(name: str) -> Corpus:
    """The format of a name.

    Raises:
        PluginError: There is none.
    """
    return cast(Corpus, plugins.load(KIND, name))


def _head(file: SourceFile) -> Head:
    with file.open() as stream:
        data = stream.read(HEAD)
    try:
        text = decode(data).rstrip("\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    except ValueError:
        text = ""
    return Head(suffix=PurePosixPath(file.name).suffix.lower(), data=data, text=text)


def _unclaimed(suffix: str, known: dict[str, Corpus], tried: Sequence[str]) -> str:
    """Why no format reads a file, and what to do."""
    choose = f"choose how to read it with --format, one of {', '.join(known)}"
    if tried:
        kinds = "; ".join(known[name].HELP for name in tried)
        return f"it does not begin as any {suffix} file that can be read ({kinds}): {choose}"
    suffixes = " ".join(sorted({each for corpus in known.values() for each in corpus.SUFFIXES}))
    return f"{suffix or 'files without a suffix'}: only these are read: {suffixes}; convert it, or {choose}"


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Whatever goes wrong with a file is told of that file."""
    try:
        yield
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(name, f"it can't be read: {error.strerror or error}") from None
    except RecursionError:
        raise UnreadableError(name, "it is nested too deeply") from None
    except MemoryError:
        raise UnreadableError(name, "there is not enough memory to read it: split it into several files") from None
    except Exception as error:
        log.exception("reading %s", name)
        raise UnreadableError(name, f"it can't be read, by a fault of ours: {error!r}") from error
