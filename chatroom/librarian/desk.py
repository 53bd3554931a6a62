"""The librarian's desk: lives in a process of its own and turns what is asked into searches of the package `knowledge`.

What a role may find is decided here, once: of its own indexes the passages that are for everybody or for one of its
names, and of a room's memory the lines that it heard. Knows no sockets, no engines and no log.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from chatroom.librarian.asking import Ask, Found, Line, Reader, Setup, Span
from chatroom.librarian.choosing import answered, best_first, joined
from chatroom.librarian.line_vectors import LineVectors
from chatroom.messages import Example, Passage, Recalled
from chatroom.names import name_key
from chatroom.shelves import Collection, exchanges, lore_pages, memory_folder, pages
from knowledge.documents import Audience, Hit, heading
from knowledge.holdings import Holdings
from knowledge.indexing.build import Summary, build
from knowledge.indexing.index import Index
from knowledge.language.terms import terms
from knowledge.remembering.memory import Remembered
from knowledge.remembering.remembered import SOURCE
from knowledge.searching.part import Part
from knowledge.searching.query import Line as Spoken
from knowledge.searching.query import Query, query_of
from knowledge.searching.search import search, vector_of
from knowledge.shelf import Shelf, Vectors

FOUND, CHOICE = 100, 24
"""Exchanges that are found, and those of them that are looked at more closely."""
ENOUGH = 2
"""Telling words by which a line can be answered without the lines before it."""
USER = "{{user}}"
"""In lines.jsonl, as on character cards: whoever is answered."""


class Desk:
    """Everything that searches need, held by one process."""

    def __init__(self, setup: Setup) -> None:
        self._home, self._spec = setup.home, setup.embedder
        self._holdings = Holdings(setup.embedder, setup.reranker)
        self._places: dict[tuple[str, str], Path] = {}
        self._lines: LineVectors | None = None

    def recall(self, reader: Reader, ask: Ask) -> Found:
        """Finds what a role is reminded of at a moment."""
        lines = [Spoken(name=said.name, text=said.text) for said in ask.lines]
        query = query_of(lines)
        passages = tuple(self._passages(reader, query))
        recalled = Recalled(
            passages=passages,
            memories=tuple(self._memories(reader, query, ask.memory)),
            examples=tuple(self._examples(reader, lines, passages)),
        )
        return Found(recalled=recalled, complete=self.is_ready(reader))

    def remember(self, room: str, epoch: str, lines: Sequence[Line], *, final: bool) -> int:
        """Takes lines into a room's long memory; gives the seq up to which it holds them."""
        memory = self._holdings.memory(memory_folder(self._home, room), epoch)
        memory.add(map(_remembered, lines), final=final)
        return memory.seq

    def is_ready(self, reader: Reader) -> bool:
        """Whether all that a role knows can be searched as it is now."""
        return not self._stale(reader)

    def build(self, reader: Reader) -> str:
        """Builds what is missing or out of date; says what was done."""
        made = (build(each.own, each.roots, each.base, self._spec) for each in self._stale(reader))
        return f"{reader.id}: " + "; ".join(map(_told, made))

    def warm(self) -> None:
        """Loads what searches need before they are asked for."""
        _ = self._holdings.embedder, self._holdings.reranker

    def _passages(self, reader: Reader, query: Query) -> Iterable[Passage]:
        shelves = [self._index(mark, collection) for mark, collection in self._documents(reader) if reader.passages]
        known_to = {name_key(reader.id), name_key(reader.name)}  # no alias: it may be another role's name
        return self._found(shelves, query, reader.passages, lambda who: not known_to.isdisjoint(map(name_key, who)))

    def _memories(self, reader: Reader, query: Query, asked: Span) -> Iterable[Passage]:
        if not reader.memories or asked.up_to <= asked.after:
            return ()
        memory = self._holdings.memory(memory_folder(self._home, asked.room), asked.epoch)
        heard = Part(memory, memory.up_to(asked.up_to) & memory.since(asked.after))
        found = self._found([heard], query, reader.memories, lambda who: reader.id in who)
        return (replace(each, title="", source=each.source.removeprefix(f"{SOURCE}, ")) for each in found)

    def _found(
        self, shelves: Iterable[Shelf | None], query: Query, limit: int, allowed: Callable[[Audience], bool]
    ) -> Iterator[Passage]:
        if there := [shelf for shelf in shelves if shelf is not None]:
            embedder, reranker = self._holdings.embedder, self._holdings.reranker
            yield from map(_passage, search(there, query, embedder, limit=limit, allowed=allowed, reranker=reranker))

    def _examples(self, reader: Reader, lines: Sequence[Spoken], passages: Sequence[Passage]) -> Iterator[Example]:
        if lines and reader.examples and (index := self._index(reader.mark, self._exchanges(reader))):
            best: dict[str, str] = {}
            for hit in self._best_first(index, _questions(reader, lines), passages):
                best.setdefault(hit.passage.text, answered(hit))  # some replies stand there twice
            asker = lines[-1].name
            for text, before in list(best.items())[: reader.examples]:
                yield Example(before=before.replace(USER, asker), text=text.replace(USER, asker))

    def _best_first(self, index: Index, asked: Sequence[Query], passages: Sequence[Passage]) -> list[Hit]:
        embedder = self._holdings.embedder
        # what is meant counts: short lines share many words by chance; without an embedder words must do
        found = [search([index], query, embedder, limit=FOUND, raw=True, mode="dense") for query in asked]
        hits, told = joined(found, CHOICE), [f"{passage.title} {passage.text}" for passage in passages]
        return best_first(hits, [query.text for query in asked], told, index.rarity, self._vectors(asked, hits))

    def _vectors(self, asked: Sequence[Query], hits: Sequence[Hit]) -> tuple[Vectors, Vectors] | None:
        """Of what is asked, and of the lines that exchanges answer; None where words must do."""
        if (embedder := self._holdings.embedder) is None or not hits:
            return None
        vectors = [vector for query in asked if (vector := vector_of(query, embedder)) is not None]
        self._lines = self._lines or LineVectors(embedder)
        return (np.stack(vectors), self._lines.of([answered(hit) for hit in hits])) if vectors else None

    def _index(self, mark: str, collection: Collection) -> Index | None:
        """The index of what the documents hold now; which one that is, is looked up once for each state of them."""
        key = (str(collection.own), mark)
        folder = self._places.pop(key, None) or collection.usable(self._spec)
        if folder is None or (index := self._holdings.index(folder)) is None:
            return None
        self._places[key] = folder
        return index

    def _stale(self, reader: Reader) -> list[Collection]:
        all_ = [*self._documents(reader), (reader.mark, self._exchanges(reader))]
        return [each for mark, each in all_ if each.roots and self._index(mark, each) is None]

    def _documents(self, reader: Reader) -> Iterator[tuple[str, Collection]]:
        """What the role knows, then what everybody in its room does, each with what marks its state."""
        yield reader.mark, pages(self._home, reader.folder, reader.sources)
        if reader.lore:
            yield reader.lore.mark, lore_pages(self._home, reader.lore.room, reader.lore.folder, reader.lore.sources)

    def _exchanges(self, reader: Reader) -> Collection:
        return exchanges(self._home, reader.folder)


def _questions(reader: Reader, lines: Sequence[Spoken]) -> list[Query]:
    """What an example should answer: the last line, and where that says little, also what it leans on. What the role
    itself has just said is left out, or that would be found."""
    alone = query_of(lines[-1:], reader.called)
    whole = query_of([line for line in lines if line.name != reader.name], reader.called)
    return [alone] if whole.text == alone.text or len(set(terms(alone.text))) >= ENOUGH else [whole, alone]


def _remembered(line: Line) -> Remembered:
    audience = None if line.audience is None else tuple(sorted(line.audience))
    return Remembered(seq=line.seq, name=line.name, text=line.text, audience=audience)


def _passage(hit: Hit) -> Passage:
    found = hit.passage
    return Passage(
        id=found.id,
        text=found.text,
        title=heading(found),
        source=", ".join(filter(None, (found.source, found.place))),
        score=round(hit.score, 4),
        audience=None if found.audience is None else frozenset(found.audience),
    )


def _told(made: Summary) -> str:
    skipped = f", {len(made.skipped)} skipped" if made.skipped else ""
    return f"{made.passages:,} passages of {made.documents:,} documents in {made.seconds:.1f} s{skipped}"
