"""What a model is asked about: the pages a role knows, lines it said, the places of a book where it says them.

Lines that are held out to measure by are never shown: what a model makes of them would be learnt. It knows no engine.
"""

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from chatroom.names import name_key
from chatroom.role_lines import FILE as LINES
from chatroom.roles import Role
from commands._knowledge_build import tell_skipped
from commands.base import say
from finetune.augment import chapters, lines, pages
from finetune.augment.chapters import AROUND, Known
from finetune.augment.job import Job
from finetune.dataset.rows import read_rows
from finetune.dialogue import HELD_OUT, Record
from finetune.errors import WorkshopError
from knowledge.documents import Document
from knowledge.encodings import read_text
from knowledge.errors import UnreadableError
from knowledge.reading import Skipped, find_files, read
from knowledge.sources.base import SourceFile

QUESTIONS, NEW_LINES = 3, 100
_ASKER = {"en": "User", "zh": "用户"}
"""Who asks where nobody has spoken to the role yet."""
_HEADS = (6, 5, 4)
"""Characters by which a line is looked for in a book; a shorter line stands everywhere."""
_MOST_ALIKE = 256
"""Lines that begin alike and are looked for; more would cost time at every place where one could stand."""
_NOTHING = {
    "pages": ("there are no pages to ask about", "name some with --from, or give it some: knowledge import"),
    "chapters": ("none of its lines stand in this book", "name the book that its lines.jsonl was made from"),
}


def jobs_of(role: Role, args: argparse.Namespace) -> list[Job]:
    """What a command line asks for.

    Raises:
        WorkshopError: There is nothing to ask about.
    """
    language: Literal["zh", "en"] = "zh" if role.language.lower().startswith("zh") else "en"
    own, skipped = _own(role), list[Skipped]()
    asker = _asker(own, language)
    if args.task == "lines":
        _check_no_files(role, args.files)
        count = args.count or NEW_LINES
        return lines.jobs(own, role=role.name, persona=role.persona, asker=asker, count=count, language=language)
    if args.task == "pages":
        pages_, wanted = _documents(role, args.files, skipped), args.count or QUESTIONS
        jobs = pages.jobs(pages_, role=role.name, persona=role.persona, asker=asker, wanted=wanted, language=language)
    else:
        known = _known(role, own, args.files, skipped)[: args.count]
        jobs = chapters.jobs(known, role=role.name, persona=role.persona, asker=asker, language=language)
    tell_skipped(skipped, say)
    if not jobs:
        raise WorkshopError(role.id, *_NOTHING[args.task])
    return jobs


def _check_no_files(role: Role, files: Sequence[Path]) -> None:
    if files:
        raise WorkshopError("--from", f"new lines are modelled on {role.folder / LINES}", "leave --from out")


def _own(role: Role) -> list[Record]:
    """What the role itself said, without what is held out."""
    path = role.folder / LINES
    rows = enumerate(read_rows(path, Record)) if path.is_file() else ()
    return [record for at, record in rows if at % HELD_OUT != HELD_OUT - 1 and not record.made_by]


def _asker(own: Sequence[Record], language: Literal["zh", "en"]) -> str:
    """Who spoke to the role most often."""
    names = Counter(record.context[-1].name for record in own if record.context and record.context[-1].name)
    return names.most_common(1)[0][0] if names else _ASKER[language]


# --- pages ------------------------------------------------------------------------------------------------------------


def _documents(role: Role, files: Sequence[Path], skipped: list[Skipped]) -> Iterator[Document]:
    """The pages that were named, else those the role knows; a file that can't be read costs only itself."""
    mine = {name_key(name) for name in (role.id, role.name, *role.aliases)}
    for file in _files(files, skipped) if files else _sources(role, skipped):
        try:
            for document in read(file):
                told = document.audience is None or any(name_key(name) in mine for name in document.audience)
                if told:
                    yield replace(document, audience=None)
        except UnreadableError as error:
            skipped.append(_fault(file.name, error))


def _sources(role: Role, skipped: list[Skipped]) -> Iterator[SourceFile]:
    found = find_files(role.sources, role.folder)
    skipped += found.skipped
    yield from (_telling(file, skipped) for file in found.files)


def _files(paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[SourceFile]:
    """The files that were named, and those in folders that were."""
    for path in paths:
        real = Path(os.path.realpath(path))
        found = find_files([real], real if real.is_dir() else real.parent)
        skipped += found.skipped
        yield from (_telling(file, skipped) for file in found.files)


def _telling(file: SourceFile, skipped: list[Skipped]) -> SourceFile:
    def skip(place: str, problem: str) -> None:
        skipped.append(Skipped(file=file.name, place=place, problem=problem))

    return replace(file, skip=skip)


def _fault(name: str, error: UnreadableError) -> Skipped:
    return Skipped(file=name, place=error.place, problem=error.problem)


# --- chapters ---------------------------------------------------------------------------------------------------------


def _known(role: Role, own: Sequence[Record], files: Sequence[Path], skipped: list[Skipped]) -> list[Known]:
    """The role's lines that stand in a book, in the order in which they stand there."""
    if not files:
        raise WorkshopError("--from", "chapters are those of a book", "name its text: --from FILE")
    if not own:
        raise WorkshopError(role.id, "it has no lines of its own to look for", f"make {LINES} first: dataset build")
    known: list[Known] = []
    search = _Search(record.reply for record in own)
    for file in _files(files, skipped):
        try:
            known += search.places(" ".join(read_text(file).split()))
        except UnreadableError as error:
            skipped.append(_fault(file.name, error))
        except OSError as error:
            skipped.append(Skipped(file=file.name, problem=f"it can't be read: {error.strerror}"))
    say(f"{len(known):,} of its {search.size:,} lines were found in the book")
    return known


class _Search:
    """Looks for many lines in one pass over a text; each is found once, whatever its spaces and line ends were."""

    def __init__(self, replies: Iterator[str]) -> None:
        different = dict.fromkeys(" ".join(reply.split()) for reply in replies)
        self.size = len(different)
        self._by_head: dict[str, list[str]] = defaultdict(list)
        for reply in different:
            alike = self._by_head[reply[: max(_HEADS)]]
            if len(reply) >= min(_HEADS) and len(alike) < _MOST_ALIKE:
                alike.append(reply)

    def places(self, text: str) -> Iterator[Known]:
        for at in range(len(text)):
            for length in _HEADS:
                head = text[at : at + length]
                for reply in self._standing(head, text, at) if head in self._by_head else ():
                    yield Known(before=text[max(0, at - AROUND) : at], line=reply)

    def _standing(self, head: str, text: str, at: int) -> list[str]:
        found = [reply for reply in self._by_head[head] if text.startswith(reply, at)]
        if found:
            self._by_head[head] = [reply for reply in self._by_head[head] if reply not in found]
        return found
