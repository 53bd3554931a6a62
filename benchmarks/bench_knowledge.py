"""Question: does our search find the right page of a wiki more often than its halves alone, and what does that cost?

Quality, over the bundled wikis and the questions of `benchmarks/knowledge/` (named, paraphrased, and with a pronoun for
what was named a line or two before), pages counted:

* plain BM25    bm25s as it comes, over whole pages; the last line is asked
* plain dense   the embedder's cosines, over the same passages as ours; the last line is asked
* ours, raw     both, joined, no floor; the last line with what it leans on
* ours, served  what a prompt would be given: four passages at most, above the floor, no two alike

Floor: how many lines of small talk find anything, and how many questions lose their page to the floor. Half of the
questions and lines were held out while it was set.

Speed: embedding, of the questions in 500 variants; searching without it, over generated passages (words as rare as in
a language, vectors around centres), against bm25s and against comparing all vectors, the same queries in the same run.

Run: python benchmarks/bench_knowledge.py [--quick | --large]. Ends with one JSON line.
"""

import argparse
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bm25s  # noqa: E402

from knowledge.documents import Audience, Passage, Rule  # noqa: E402
from knowledge.embed import Embedder, open_embedder  # noqa: E402
from knowledge.indexing.build import build  # noqa: E402
from knowledge.indexing.index import Index  # noqa: E402
from knowledge.indexing.nearest import MOST_COMPARED, Cells, Nearest, cells  # noqa: E402
from knowledge.indexing.wordindex import Counting, WordIndex  # noqa: E402
from knowledge.language.terms import terms  # noqa: E402
from knowledge.searching.query import Line, Query, query_of  # noqa: E402
from knowledge.searching.search import Mode, search  # noqa: E402
from knowledge.shelf import Mask, Rows, Scores, Vector, Vectors  # noqa: E402

HERE = Path(__file__).resolve().parent / "knowledge"
KINDS = ("named", "paraphrased", "pronoun")
MODES: tuple[Mode, ...] = ("hybrid", "dense", "words")
DIMENSION, WORDS, LENGTH = 384, 30_000, 110
"""Of generated passages: numbers in a vector, words of the language, words in a passage."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to a role; any of the pages is right."""

    role: str
    kind: Literal["named", "paraphrased", "pronoun"]
    lines: tuple[str, ...]
    pages: tuple[str, ...]
    held: bool

    def query(self) -> Query:
        said = (line.split(": ", 1) for line in self.lines)
        return query_of([Line(name=name, text=text) for name, text in said])

    def alone(self) -> str:
        return self.lines[-1].split(": ", 1)[1]


T = TypeVar("T")
Ask = Callable[[Question], list[str]]
"""Gives the pages that a way of searching finds, best first."""


def anybody(audience: Audience) -> bool:
    """Lets through what only some may know: each role asks about its own pages."""
    return True


class Wikis:
    """The bundled wikis, indexed as they are in use and for the plain ways."""

    def __init__(self, folder: Path, questions: Sequence[Question], embedder: Embedder) -> None:
        self.embedder = embedder
        self.roles = sorted({question.role for question in questions})
        self.index = {role: self._built(folder / role, role) for role in self.roles}
        self._pages = {role: sorted((ROOT / "roles" / role / "wiki").glob("*.md")) for role in self.roles}
        self._plain = {
            role: _bm25([page.read_text(encoding="utf-8") for page in self._pages[role]]) for role in self.roles
        }

    def _built(self, folder: Path, role: str) -> Index:
        base = ROOT / "roles" / role
        build(folder, [base / "wiki"], base, "minilm")
        return Index.open(folder)

    def plain_words(self, question: Question) -> list[str]:
        asked = bm25s.tokenize([question.alone()], stopwords="en", show_progress=False)
        names = [f"wiki/{page.name}" for page in self._pages[question.role]]
        rows, scores = self._plain[question.role].retrieve(asked, k=len(names), show_progress=False)
        return [names[row] for row, score in zip(rows[0], scores[0], strict=True) if score > 0]

    def plain_dense(self, question: Question) -> list[str]:
        index = self.index[question.role]
        rows, _ = index.dense(self.embedder.encode_query(question.alone()), len(index))
        return list(dict.fromkeys(index.passage(row).source for row in rows.tolist()))

    def raw(self, question: Question) -> list[str]:
        hits = search([self.index[question.role]], question.query(), self.embedder, raw=True, limit=10, allowed=anybody)
        return [hit.passage.source for hit in hits]

    def served(self, question: Question, mode: Mode = "hybrid") -> list[str]:
        hits = search([self.index[question.role]], question.query(), self.embedder, mode=mode, allowed=anybody)
        return list(dict.fromkeys(hit.passage.source for hit in hits))

    def talked(self, line: str, role: str, mode: Mode) -> bool:
        """Whether a line of small talk finds anything."""
        return bool(search([self.index[role]], query_of([Line(text=line)]), self.embedder, mode=mode, allowed=anybody))


def quality(wikis: Wikis, questions: Sequence[Question]) -> Iterator[dict[str, object]]:
    """Hit@1, hit@4, mean reciprocal rank and nDCG@10 by kind of question."""
    ways: dict[str, Ask] = {
        "plain BM25": wikis.plain_words,
        "plain dense": wikis.plain_dense,
        "ours, raw": wikis.raw,
        "ours, served": wikis.served,
    }
    print(f"{'':14} {'questions':12} {'number':>6} {'hit@1':>7} {'hit@4':>7} {'MRR':>7} {'nDCG@10':>8}")
    for name, way in ways.items():
        ranks = {id(question): _ranks(way(question), question.pages) for question in questions}
        for kind in (*KINDS, "held", "all"):
            chosen = [each for each in questions if kind in (each.kind, "all") or (kind == "held" and each.held)]
            scores: list[float] = (
                np.mean([_scores(ranks[id(each)], len(each.pages)) for each in chosen], axis=0).round(3).tolist()
            )
            row = dict(zip(("hit@1", "hit@4", "mrr", "ndcg@10"), scores, strict=True))
            print(f"{name:14} {kind:12} {len(chosen):>6} " + " ".join(f"{value:>7.3f}" for value in row.values()))
            yield {"way": name, "questions": kind, "number": len(chosen), **row}


def floor(wikis: Wikis, questions: Sequence[Question], talk: Sequence[str]) -> Iterator[dict[str, object]]:
    """What the floor lets through, and what it costs, for lines it was set on and for lines held out."""
    print(f"\n{'floor':8} {'':6} {'small talk that finds something':>32} {'questions lost':>15}")
    for mode in MODES:
        for held in (False, True):
            lines = talk[held::2]
            heard = sum(wikis.talked(line, role, mode) for role in wikis.roles for line in lines) / len(wikis.roles)
            asked = [each for each in questions if each.held is held]
            lost = _lost(wikis, asked, mode)
            name = "held" if held else "set on"
            print(f"{mode:8} {name:6} {heard:>20.1f} of {len(lines):<8} {lost[0]:>8} of {lost[1]}")
            yield {"mode": mode, "held": held, "talk": heard / len(lines), "lost": lost[0], "found": lost[1]}


def _lost(wikis: Wikis, questions: Sequence[Question], mode: Mode) -> tuple[int, int]:
    """How many questions lose their page to the floor, of how many that had it among the first four documents."""
    lost = found = 0
    for each in questions:
        hits = search([wikis.index[each.role]], each.query(), wikis.embedder, mode=mode, raw=True, allowed=anybody)
        if any(hit.passage.source in each.pages for hit in hits):
            found += 1
            lost += not set(wikis.served(each, mode)) & set(each.pages)
    return lost, found


def _ranks(found: Sequence[str], pages: Sequence[str]) -> list[int]:
    return [rank for rank, page in enumerate(found) if page in pages]


def _scores(ranks: Sequence[int], pages: int) -> tuple[float, float, float, float]:
    first = ranks[0] if ranks else math.inf
    gained = sum(1 / math.log2(rank + 2) for rank in ranks if rank < 10)
    return first < 1, first < 4, 1 / (first + 1), gained / sum(1 / math.log2(rank + 2) for rank in range(pages))


class Asked(NamedTuple):
    """A generated query: as a text, as numbers of its words, and as a vector."""

    text: str
    words: list[int]
    vector: Vector


class Generated:
    """A shelf of passages that mean nothing, searched by the code that searches real ones."""

    private: Mapping[int, Audience] = {}
    rules: Mapping[int, Rule] = {}

    def __init__(self, folder: Path, number: int) -> None:
        rng = np.random.default_rng(number)
        self.vocabulary = [_word(each) for each in range(WORDS)]
        common = 1 / (np.arange(WORDS) + 20)
        self._drawn = rng.choice(WORDS, (number, LENGTH), p=common / common.sum())
        self.found = _around(rng, number)
        nearest = cells(self.found) if number > MOST_COMPARED else None
        self._nearest = Nearest(self.found, Cells(nearest.centroids, nearest.of) if nearest else None)
        self._words = self._counted(folder)
        self.plain = bm25s.BM25()
        self.plain.index((self._drawn.tolist(), {str(each): each for each in range(WORDS)}), show_progress=False)

    def _counted(self, folder: Path) -> WordIndex:
        stems = [terms(word)[0] for word in self.vocabulary]
        counting = Counting()
        for row in self._drawn.tolist():
            counting.add([stems[each] for each in row])
        counting.save(folder, "g")
        return WordIndex(folder, "g")

    def __len__(self) -> int:
        return len(self._drawn)

    def passage(self, row: int) -> Passage:
        text = " ".join(self.vocabulary[each] for each in self._drawn[row].tolist())
        return Passage(id=str(row), title="Page", text=text, source=f"{row}.md")

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        return self._nearest.search(vector, limit, allowed)

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        return self._words.search(terms, limit, allowed)

    def rarity(self, term: str) -> float:
        return self._words.rarity(term)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        return self.found[np.asarray(rows, np.int64)]

    def queries(self, number: int) -> list[Asked]:
        """Different questions, each with the words and near the vector of some passage."""
        rng = np.random.default_rng(7)
        made = []
        for row in rng.choice(len(self), number, replace=number > len(self)).tolist():
            drawn = rng.choice(self._drawn[row], 6, replace=False).tolist()
            near = self.found[row] + 0.05 * rng.standard_normal(DIMENSION).astype(np.float32)
            text = "Where is the {} of {}, and what {} a {} {} {}?".format(*(self.vocabulary[each] for each in drawn))
            made.append(Asked(text, drawn, near / np.linalg.norm(near)))
        return made


class Known(Embedder):
    """Gives a vector that is known at once: searching is measured alone, and no line is embedded twice."""

    def __init__(self, embedder: Embedder, vectors: dict[str, Vector]) -> None:
        self.name, self.identity, self.dimension = embedder.name, embedder.identity, embedder.dimension
        self.encode = embedder.encode  # type: ignore[method-assign]
        self.reads = lru_cache(maxsize=None)(embedder.reads)  # type: ignore[method-assign]
        self._embedder, self._known = embedder, vectors

    def encode_query(self, text: str) -> Vector:
        if text not in self._known:
            self._known[text] = self._embedder.encode_query(text)
        return self._known[text]


def speed(
    folder: Path, sizes: Sequence[int], queries: int, embedder: Embedder, questions: Sequence[Question]
) -> Iterator[dict[str, object]]:
    """Milliseconds of a query, median and 95th percentile."""
    print(f"\n{'passages':>8}  {'':22} {'p50':>9} {'p95':>9}")
    texts = [f"{number}: {each.alone()}" for number, each in zip(range(queries), cycle(questions))]
    yield _took(0, "embedding", lambda text: embedder.reads(text) and embedder.encode_query(text), texts)
    for size in sizes:
        (folder / str(size)).mkdir()
        shelf = Generated(folder / str(size), size)
        asked = shelf.queries(queries)
        for name, way in _ways(shelf, Known(embedder, {each.text: each.vector for each in asked})).items():
            yield _took(size, name, way, asked)


def _ways(shelf: Generated, known: Embedder) -> dict[str, Callable[[Asked], object]]:
    def ours(asked: Asked, *, raw: bool) -> object:
        return search([shelf], Query(text=asked.text, lines=(asked.text,)), known, raw=raw)

    plain = shelf.plain
    return {
        "our search": lambda asked: ours(asked, raw=False),
        "our search, raw": lambda asked: ours(asked, raw=True),
        "plain BM25": lambda asked: plain.retrieve(([asked.words], plain.vocab_dict), k=4, show_progress=False),
        "plain dense": lambda asked: np.argsort(-(shelf.found @ asked.vector))[:4],
    }


def _took(size: int, name: str, way: Callable[[T], object], asked: Sequence[T]) -> dict[str, object]:
    times = [_milliseconds(way, each) for each in [*asked[:5], *asked]][5:]
    middle, slow = np.percentile(times, [50, 95]).round(2).tolist()
    print(f"{size or '':>8}  {name:22} {middle:>6.2f} ms {slow:>6.2f} ms", flush=True)
    return {"passages": size, "way": name, "p50_ms": middle, "p95_ms": slow}


def _milliseconds(way: Callable[[T], object], asked: T) -> float:
    began = time.perf_counter()
    way(asked)
    return 1000 * (time.perf_counter() - began)


def _bm25(texts: Sequence[str]) -> bm25s.BM25:
    found = bm25s.BM25()
    found.index(bm25s.tokenize(list(texts), stopwords="en", show_progress=False), show_progress=False)
    return found


def _word(number: int) -> str:
    """A different word for every number, as `takumiso`."""
    syllables = [first + second for first in "ktpsmnrlvdbg" for second in "aiou"]
    made = "ko"
    while number:
        number, place = divmod(number, len(syllables))
        made += syllables[place]
    return made


def _around(rng: np.random.Generator, number: int) -> Vectors:
    """Vectors in clusters, as those of texts are: (number, DIMENSION)."""
    centres = rng.standard_normal((max(1, number // 50), DIMENSION), np.float32)
    found = centres[rng.integers(len(centres), size=number)]
    found += 0.7 * rng.standard_normal((number, DIMENSION), np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else "none"


def main(args: list[str]) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="1,000 generated passages and 50 queries, to see that it runs"
    )
    parser.add_argument("--large", action="store_true", help="100,000 generated passages as well")
    options = parser.parse_args(args)
    print(__doc__)
    questions = msgspec.json.Decoder(Question).decode_lines((HERE / "questions.jsonl").read_bytes())
    talk = (HERE / "small_talk.txt").read_text(encoding="utf-8").splitlines()
    sizes = [1_000] if options.quick else [1_000, 10_000, *([100_000] if options.large else [])]
    with tempfile.TemporaryDirectory() as folder:
        embedder = open_embedder("minilm")
        assert embedder is not None
        wikis = Wikis(Path(folder), questions, Known(embedder, {}))
        summary = {
            "benchmark": "knowledge",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "quality": list(quality(wikis, questions)),
            "floor": list(floor(wikis, questions, talk)),
            "speed": list(speed(Path(folder), sizes, 50 if options.quick else 500, embedder, questions)),
        }
    print(json.dumps(summary))


if __name__ == "__main__":
    main(sys.argv[1:])
