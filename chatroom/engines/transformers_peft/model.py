"""The base: weights, tokenizer and template, and one forward step over a cache.

Loads from safetensors only and runs no remote code. Knows no lanes, no turns and no pipe; every fault of a folder
becomes an `EngineError` that says what to do.
"""

import logging
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from chatroom.chat_template import ChatTemplate
from chatroom.engines._base_folder import base_folder, is_ours
from chatroom.engines.base import EngineOptions, Facts
from chatroom.engines.transformers_peft.adapters import Adapters
from chatroom.engines.transformers_peft.cache import can_crop, new_cache
from chatroom.engines.transformers_peft.decode_weights import DecodeWeights
from chatroom.engines.transformers_peft.decoders import decoder_of
from chatroom.engines.transformers_peft.packed import has_half_units
from chatroom.errors import EngineError

log = logging.getLogger(__name__)

SMALL = 4_000_000
"""Files of weights up to this many bytes are computed in float32 on a CPU, where 16 bit would gain nothing."""


class Model:
    """A base with its adapters.

    Args:
        base: A causal language model of transformers, in evaluation mode.
        tokenizer: The base's own.
        ours: Whether the base was made with our layout.
        context: Most positions that a prompt and its reply may take.
        memory: Most bytes that weights made for decoding may take.
        int4: Whether decoding uses weights of four bits; on a CPU only.
    """

    def __init__(
        self, base: Any, tokenizer: Any, *, ours: bool, context: int, memory: int = 0, int4: bool = False
    ) -> None:
        self.tokenizer, self.adapters = tokenizer, Adapters(base)
        self.template = ChatTemplate(tokenizer, ours=ours)
        self.config = base.config.get_text_config(decoder=True)
        self.context = min(context, getattr(self.config, "max_position_embeddings", None) or context)
        self._weights: DecodeWeights | None = None
        if base.device.type == "cpu":
            self._weights = DecodeWeights(decoder_of(self.adapters.bare, self.context), memory=memory, int4=int4)
        self.device, self.dtype = base.device, base.dtype
        self.stop_ids = self.template.stop_ids | _generation_stops(base)
        self.line_ends = self.stop_ids | frozenset(self.template.line_ids(""))
        self.vocabulary = min(max(tokenizer.get_vocab().values()) + 1, self.config.vocab_size)
        self.banned = _controls(tokenizer) - self.stop_ids
        self.can_crop = can_crop(self.config, self.context)
        if not self.can_crop:
            log.warning("this base uses windowed attention: its transcripts can't be kept, every turn is computed anew")

    @property
    def facts(self) -> Facts:
        return Facts.of(self.template, self.context)

    def empty_cache(self) -> Any:
        return new_cache(self.config, self.context)

    def forward(self, ids: Sequence[int], cache: Any, weights: str, on: int) -> torch.Tensor:
        """Appends ids to the cache and gives the logits of the last position, (1, V).

        Args:
            weights: Fingerprint of a loaded adapter, or "" for the bare base.
            on: On how many of the last positions the adapter acts.
        """
        return self._compute(ids, cache, weights, on, logits_to_keep=1)

    def prepare(self, weights: str) -> Generator[str, None, None]:
        """Makes the weights to decode with, in steps, unless they are there."""
        if self._weights is None or self._weights.has(weights):
            return
        changes = self.adapters.changes(weights) if weights else {}
        if changes is not None:
            for _ in self._weights.make(weights, changes):
                yield ""

    def decode(self, token: int, cache: Any, weights: str) -> torch.Tensor:
        """Appends one id of a reply, and gives the logits of what comes next, (1, V)."""
        decoder = self._weights.find(weights) if self._weights else None
        if decoder is None:
            return self.forward([token], cache, weights, 1 if weights else 0)
        with torch.inference_mode():
            logits: torch.Tensor = decoder(torch.tensor([[token]]), cache)
        return logits

    @property
    def decoding_bytes(self) -> int:
        """What the weights made for decoding take beside the base."""
        return self._weights.nbytes if self._weights else 0

    def forget(self, weights: str) -> None:
        """Drops what was made for an adapter that is gone."""
        if self._weights is not None:
            self._weights.forget(weights)

    def forward_apart(self, groups: Sequence[Sequence[int]], cache: Any) -> torch.Tensor:
        """Appends groups of ids that can't see each other, in base weights, and gives all their logits, (all, V).

        Each group follows what the cache held before, as if the others weren't there.
        """
        ids = [id_ for group in groups for id_ in group]
        if len([group for group in groups if group]) == 1:
            return self._compute(ids, cache, "", 0)
        held = cache.get_seq_length()
        which = torch.tensor([number for number, group in enumerate(groups) for _ in group])  # (T,)
        sees = (which[:, None] == which[None, :]).tril()
        mask = torch.zeros(1, 1, len(ids), held + len(ids), dtype=self.dtype)
        mask[0, 0, :, held:].masked_fill_(~sees, torch.finfo(self.dtype).min)
        positions = torch.tensor([[held + at for group in groups for at in range(len(group))]])
        return self._compute(
            ids, cache, "", 0, attention_mask=mask.to(self.device), position_ids=positions.to(self.device)
        )

    def _compute(self, ids: Sequence[int], cache: Any, weights: str, on: int, **options: Any) -> torch.Tensor:
        inputs = torch.tensor([ids], device=self.device)  # (1, T)
        with torch.inference_mode():
            out = self.adapters.forward(inputs, weights, on, past_key_values=cache, use_cache=True, **options)
        logits: torch.Tensor = out.logits[0]
        return logits


def load_model(options: EngineOptions) -> Model:
    """Loads the base that the options name.

    Raises:
        EngineError: `bad_base`: it is missing, incomplete, of an unknown kind, or made for another layout.
    """
    disable_progress_bar()
    try:
        if options.threads:
            torch.set_num_threads(options.threads)
        return _loaded(base_folder(options.base, weights=True), options)
    except EngineError:
        raise
    except Exception as error:  # transformers raises what it likes
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EngineError(f"the base {options.base} can't be loaded: {reason[:300]}", code="bad_base") from error


def _loaded(folder: Path, options: EngineOptions) -> Model:
    ours, device = is_ours(folder, options.base), _device(options.device)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    log.info("reading the weights of %s", options.base)
    base = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=_dtype(options.dtype, folder, device),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    return Model(
        base.to(device).eval(),
        tokenizer,
        ours=ours,
        context=options.context,
        memory=options.memory,
        int4=options.quantization == "int4",
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(wanted: str, folder: Path, device: str) -> torch.dtype:
    if wanted != "auto":
        named: torch.dtype = getattr(torch, wanted)
        return named
    if device == "cuda":
        return torch.bfloat16
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return torch.bfloat16 if size > SMALL and has_half_units() else torch.float32


def _generation_stops(base: Any) -> frozenset[int]:
    """The end ids that generation_config.json names, one or several."""
    named = getattr(getattr(base, "generation_config", None), "eos_token_id", None)
    if named is None:
        return frozenset()
    return frozenset([named] if isinstance(named, int) else named)


def _controls(tokenizer: Any) -> frozenset[int]:
    return frozenset(id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special)
