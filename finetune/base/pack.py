"""Turns documents into token files that a training loop reads by rows.

A source is a pair of arrays of one length: ids (uint16) and learn (bool: is there loss on predicting this id?). Prose
is learnt whole; in a transcript every line closes with `<|end|>`. One whole novel is held out, its prose and its
talk.

    nice -n 19 python -m finetune.base.pack BOOKS_FOLDER models/hearth var/hearth/tokens
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from finetune.base.books import read_books
from finetune.dialogue import Scene

HELD_OUT_BOOK = "The-Railway-Children"
END, ASIDE, PAD = 0, 1, 2  # ids of the special tokens, in the order in which tokenizer.py names them


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A source: ids and, for each, whether the model is to learn it."""

    ids: npt.NDArray[np.uint16]  # (N,)
    learn: npt.NDArray[np.bool_]  # (N,)

    def rows(self, length: int) -> "list[tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_]]]":
        """Cuts rows of length + 1, each overlapping the next by one id, so that every id is predicted once."""
        starts = range(0, len(self.ids) - length, length)
        return [(self.ids[at : at + length + 1], self.learn[at : at + length + 1]) for at in starts]


def save_tokens(path: Path, ids: list[int], learn: list[bool] | None = None) -> None:
    """Writes one source; without `learn` every id is learnt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    marks = np.ones(len(ids), dtype=np.bool_) if learn is None else np.array(learn, dtype=np.bool_)
    np.savez_compressed(path, ids=np.array(ids, dtype=np.uint16), learn=marks)


def load_tokens(path: Path) -> Tokens:
    """Reads one source."""
    with np.load(path) as arrays:
        return Tokens(ids=arrays["ids"], learn=arrays["learn"])


def encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Encodes each text by itself; a text cannot spell a special token."""
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def prose_ids(tokenizer: PreTrainedTokenizerBase, books: Iterable[list[str]]) -> list[int]:
    """Paragraphs end in a newline, a book in END."""
    ids: list[int] = []
    for book in books:
        for paragraph in encode(tokenizer, [line + "\n" for line in book]):
            ids.extend(paragraph)
        ids.append(END)
    return ids


def scene_ids(tokenizer: PreTrainedTokenizerBase, scenes: list[Scene]) -> list[int]:
    """Premise and lines, each closed with END."""
    texts = [
        text for scene in scenes for text in (scene.premise, *(f"{line.name}: {line.text}" for line in scene.lines))
    ]
    return [token for piece in encode(tokenizer, texts) for token in (*piece, END)]


def is_held_out(book: Path) -> bool:
    """Tells whether a book serves validation only."""
    return book.name.startswith(HELD_OUT_BOOK)


def is_for_training(book: Path) -> bool:
    """Tells the opposite."""
    return not is_held_out(book)


def main(args: argparse.Namespace) -> None:
    """Writes prose and talk, each for training and for validation."""
    tokenizer = AutoTokenizer.from_pretrained(args.model, local_files_only=True)
    for share in ("train", "held"):
        prose, talk = read_books(args.books, is_held_out if share == "held" else is_for_training)
        for name, ids in (("prose", prose_ids(tokenizer, prose)), ("talk", scene_ids(tokenizer, talk))):
            save_tokens(args.folder / f"{name}-{share}.npz", ids)
            print(f"{name}-{share}: {len(ids):,} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("books", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args())
