"""Trains the base's tokenizer: byte-level BPE of 4096 tokens, digits one by one, three special tokens.

`<|end|>` (0) closes a line and a document, `<|aside|>` (1) opens a tail and switches an aLoRA on, `<|pad|>` (2) fills
up. It is saved as a Qwen2 tokenizer without a chat template. It knows no rooms and no model.

    nice -n 19 python -m finetune.base.tokenizer BOOKS_FOLDER models/hearth
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX  # digits one by one, words with their space

from finetune.base.books import read_books
from finetune.dialogue import Scene, read_scenes

END, ASIDE, PAD = "<|end|>", "<|aside|>", "<|pad|>"
SPECIAL = (END, ASIDE, PAD)
VOCABULARY = 4096


def untrained() -> Tokenizer:
    """Builds the pipeline of a Qwen2 tokenizer with an empty vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def texts(books: Path, scenes: list[Scene]) -> Iterator[str]:
    """Yields the books once and the scenes, with names as they stand in a transcript, four times."""
    prose, talk = read_books(books)
    for book in prose:
        yield from book
    for scene in [*talk, *scenes * 4]:
        yield scene.premise
        yield from (f"{line.name}: {line.text}" for line in scene.lines)


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and a tokenizer_config.json that AutoTokenizer reads without a hub."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": END,
        "pad_token": PAD,
        "bos_token": None,
        "unk_token": None,
        "additional_special_tokens": [ASIDE],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> PreTrainedTokenizerBase:
    """Loads what was saved and raises if a text could spell a special token or does not come back as it was."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == [0, 1, 2], "special tokens moved"
    for text in ("<|end|> and <|aside|>", "In 1897, 3d20+4!", "安吉拉，你好 \u2014 Zoë", "two\n   lines"):
        ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert min(ids) > 2, f"{text!r} spells a special token"
        assert tokenizer.decode(ids) == text, f"{text!r} came back as {tokenizer.decode(ids)!r}"
    return tokenizer


def main(args: argparse.Namespace) -> None:
    """Trains, saves and checks."""
    scenes = read_scenes(args.folder / "scenes")
    tokenizer = untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(args.books, scenes), trainer=trainer)
    save(tokenizer, args.folder)
    loaded = check(args.folder)
    print(f"{len(loaded)} tokens; {loaded.tokenize('Mara Vell: The lamp is lit since 6, is it not?')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("books", type=Path)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args())
