"""Answers questions from what a role knows: in a few lines a passage for people, as JSON for programs."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chatroom.errors import FolderError, SettingsError
from chatroom.names import name_key
from chatroom.roles import Role, find_roles
from chatroom.settings import Settings
from chatroom.shelves import EXCHANGES, Collection, exchanges, pages
from commands._knowledge_build import build_all
from commands._knowledge_roles import one
from commands.base import say, show
from knowledge.documents import Audience, Hit, heading
from knowledge.holdings import Holdings
from knowledge.indexing.index import Index
from knowledge.searching.query import Line, query_of
from knowledge.searching.search import search, vector_of

SHOWN = 400
"""Characters of a passage that are shown on a terminal."""


class Answer(NamedTuple):
    """What was found, and the milliseconds that it took to embed the question and to do the rest."""

    hits: list[Hit]
    embed: float
    search: float


class Inquiry:
    """A way of searching an index.

    Args:
        holdings: Whose models are used.
        allowed: Whether whoever asks may know what is for an audience.
        args: Of the command line: how many passages, by which mode, and whether in the plain ranking.
    """

    def __init__(
        self, index: Index, holdings: Holdings, allowed: Callable[[Audience], bool], args: argparse.Namespace
    ) -> None:
        self._index, self._allowed, self._args = index, allowed, args
        self._embedder, self._reranker = holdings.embedder, holdings.reranker

    def answer(self, lines: list[str]) -> Answer:
        """Finds what answers the last of these lines."""
        query = query_of([Line(text=line) for line in lines])
        started = time.perf_counter()
        vector_of(query, self._embedder, self._args.mode)  # the embedder keeps it, so the search has it at hand
        embedded = time.perf_counter()
        hits = search(
            [self._index],
            query,
            self._embedder,
            limit=self._args.k,
            mode=self._args.mode,
            raw=self._args.raw,
            allowed=self._allowed,
            reranker=self._reranker,
        )
        return Answer(hits, _ms(embedded - started), _ms(time.perf_counter() - embedded))


def answer(settings: Settings, args: argparse.Namespace) -> int:
    """Answers what the command line asks; gives the exit status."""
    role = one(settings, args.role)
    collection = _collection(settings, role, args.lines)
    holdings = Holdings(settings.embedder, settings.reranker)
    if args.mode == "dense" and holdings.embedder is None:
        raise SettingsError("embedder: a search by meaning needs one, and it is set to none")
    index = _index(settings, role, collection, holdings)
    if index is None:
        return 1
    inquiry = Inquiry(index, holdings, _allowed(settings, args.reader or role.id), args)
    inquiry.answer(["Who is there?"])  # loads word lists and measures the model, or the first question would seem slow
    for lines in _questions(args.question):
        found = inquiry.answer(lines)
        if args.json:
            print(_as_json(lines, found, args), flush=True)
        else:
            _show(lines, found)
    return 0


def _collection(settings: Settings, role: Role, lines: bool) -> Collection:
    """What is searched: the role's documents, or its exchanges."""
    if lines:
        found = exchanges(settings.home, role.folder)
        fault = FolderError(f"roles/{role.id}", f"it has no {EXCHANGES}", "write down there what it once said")
    else:
        found = pages(settings.home, role.folder, role.sources)
        remedy = f"add them: knowledge import {role.id} FILE"
        fault = FolderError(f"roles/{role.id}/role.toml", "it names no documents", remedy, key="knowledge.sources")
    if not found.roots:
        raise fault
    return found


def _index(settings: Settings, role: Role, collection: Collection, holdings: Holdings) -> Index | None:
    """The index of the documents as they are now; it is built first where there is none that can be used."""
    folder = collection.usable(settings.embedder)
    index = holdings.index(folder) if folder else None
    if index is None:
        say(f"what {role.id} knows has no index that is up to date and whole: building it")
        build_all(settings, [role], tell=say)
        folder = collection.usable(settings.embedder)  # a build that failed leaves what is out of date
        index = holdings.index(folder) if folder else None
    return index


def _questions(asked: list[str]) -> Iterator[list[str]]:
    """The lines of each question: those of the command line, or each line of standard input by itself."""
    if asked != ["-"]:
        yield asked
        return
    for line in sys.stdin.buffer:
        yield [line.decode("utf-8", "replace").strip("\ufeff\r\n ")]


def _allowed(settings: Settings, reader: str) -> Callable[[Audience], bool]:
    """Whether a passage for some is for this reader: a role, by any of its names, or whoever is called so."""
    names = {reader}
    if reader in find_roles(settings.roles):
        role = one(settings, reader)
        names |= {role.name, *role.aliases}
    keys = {name_key(name) for name in names}
    return lambda audience: any(name_key(name) in keys for name in audience)


def _as_json(lines: list[str], found: Answer, args: argparse.Namespace) -> str:
    """One line of ASCII, so that no terminal and no locale can spoil it."""
    answered = {
        "question": lines[-1],
        "role": args.role,
        "mode": args.mode,
        "raw": args.raw,
        "ms": {"embed": round(found.embed, 3), "search": round(found.search, 3)},
        "hits": [_hit_as_json(rank, hit) for rank, hit in enumerate(found.hits, start=1)],
    }
    return json.dumps(answered)


def _hit_as_json(rank: int, hit: Hit) -> dict[str, object]:
    passage = hit.passage
    scores = {"rank": rank, "score": hit.score, "dense": hit.dense, "words": hit.words}
    fields = ("id", "document", "title", "path", "source", "place", "url", "text")
    return {**scores, **{field: getattr(passage, field) for field in fields}}


def _show(lines: list[str], found: Answer) -> None:
    show(f"? {lines[-1]}")
    for rank, hit in enumerate(found.hits, start=1):
        show(_shown(rank, hit))
    if not found.hits:
        show("  nothing is near enough")


def _shown(rank: int, hit: Hit) -> str:
    """A passage in a few lines: what it is about, how near it is, where it stands, what it says."""
    passage = hit.passage
    near: list[str] = [hit.why] if hit.why != "search" else []
    near += [
        f"{name} {score:.2f}" for name, score in (("meaning", hit.dense), ("words", hit.words)) if score is not None
    ]
    text = " ".join(passage.text.split())
    if sys.stdout.isatty() and len(text) > SHOWN:
        text = text[:SHOWN].rstrip() + "…"
    head = f"{rank:3}. {heading(passage)}"
    where = ", ".join(filter(None, (passage.source, passage.place)))
    return "\n     ".join((head, f"{where}  (score {hit.score:.4f}{''.join(f', {each}' for each in near)})", text))


def _ms(seconds: float) -> float:
    return 1000 * seconds
