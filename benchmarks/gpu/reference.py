"""transformers over the same weights: which id it would say at each place of a reply, and how fast it speaks.

Blocks while it computes: call it in a thread. Knows no server.
"""

import gc
import time
import warnings
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from quantize.packed.reading import dequantized

SURE = 0.5
"""By how much the likeliest id must lead for rounding to 16 bit to be no excuse, in logits."""


disable_progress_bar()


class Place(msgspec.Struct, frozen=True):
    """The likeliest id at one place, and whether it leads clearly."""

    id: int
    sure: bool


class Reference:
    """A model of transformers.

    Args:
        weights: Folder of a base in 16 bit.
        adapter: Folder of an ordinary LoRA that is on everywhere.
        int4: Folder of int4 weights: its numbers, dequantized, in place of those in 16 bit.
    """

    def __init__(
        self, weights: Path, *, device: str, dtype: str, adapter: Path | None = None, int4: Path | None = None
    ) -> None:
        self._device = device
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=getattr(torch, dtype), local_files_only=True)
        if int4 is not None:
            model.load_state_dict(dequantized(int4), strict=False)
        if adapter is not None:
            from peft import PeftModel

            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's
                model = PeftModel.from_pretrained(model, str(adapter))
        self._model: Any = model.to(device).eval()

    def places(self, prompt: Sequence[int], reply: Sequence[int]) -> list[Place]:
        """What it would say in place of each id of a reply, and after its last."""
        ids = torch.tensor([[*prompt, *reply]], device=self._device)
        with torch.inference_mode():
            logits = self._model(input_ids=ids).logits[0, len(prompt) - 1 :].float()  # (reply + 1, V)
        best = logits.topk(2, dim=-1)
        lead = best.values[:, 0] - best.values[:, 1]
        return [Place(id_, gap > SURE) for id_, gap in zip(best.indices[:, 0].tolist(), lead.tolist(), strict=True)]

    def greedy(self, prompt: Sequence[int], most: int, stops: frozenset[int]) -> list[int]:
        """The likeliest ids, up to the end of the text."""
        told = self._generate(prompt, most, eos_token_id=sorted(stops))
        return list(takewhile(lambda id_: id_ not in stops, told))

    def speed(self, prompt: Sequence[int], most: int) -> tuple[float, float]:
        """Seconds to the first id of a reply, and ids per second of the rest."""
        times = []
        for length in (1, most):
            began = time.perf_counter()
            self._generate(prompt, length, min_new_tokens=length)
            times.append(time.perf_counter() - began)
        return times[0], (most - 1) / max(times[1] - times[0], 1e-9)

    def free(self) -> None:
        """Gives its memory back; it can't be asked any more."""
        self._model = None
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _generate(self, prompt: Sequence[int], most: int, **how: object) -> list[int]:
        ids = torch.tensor([list(prompt)], device=self._device)
        with torch.inference_mode():
            told = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=most,
                repetition_penalty=1.0,
                pad_token_id=0,
                **how,
            )
        return list(map(int, told[0, len(prompt) :].tolist()))
