"""Examples → batches: padded on the right, grouped by length, in an order that only seed and epoch decide.

The order has to come out the same in a run that was killed and goes on. It knows no words and no model.
"""

import random
from collections.abc import Iterator
from typing import TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from finetune.dataset.render import Example

IGNORED = -100
"""The label of a token that is not learnt."""
NOISE = 20
"""Token ids by which lengths are blurred, so that not always the same examples meet."""


class Batch(TypedDict, total=False):
    """What a model is called with; `alora_offsets` says how far from the end each tail begins."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    alora_offsets: list[int]


class Examples(Dataset[Example]):  # type: ignore[misc]  # it has no types
    """Rendered examples, in order."""

    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, at: int) -> Example:
        return self.examples[at]


class Collator:
    """Makes a batch of examples.

    Args:
        pad: Id that fills a row; nothing reads it.
        activated: Whether the adapter acts from the tail on: it is told where tails begin, and never searches.
    """

    def __init__(self, *, pad: int, activated: bool) -> None:
        self.pad, self.activated = pad, activated

    def __call__(self, examples: list[Example]) -> Batch:
        width = max(len(each.ids) for each in examples)
        shape = (len(examples), width)
        batch = Batch(
            input_ids=torch.full(shape, self.pad),  # (B, T)
            attention_mask=torch.zeros(shape, dtype=torch.long),
            labels=torch.full(shape, IGNORED),
        )
        for row, each in enumerate(examples):
            ids = torch.tensor(each.ids)
            batch["input_ids"][row, : len(ids)] = ids
            batch["attention_mask"][row, : len(ids)] = 1
            batch["labels"][row, : len(ids)] = torch.where(torch.tensor(each.learn), ids, IGNORED)
        if self.activated:
            batch["alora_offsets"] = [width - each.shared for each in examples]
        return batch


class ByLength(Sampler[int]):  # type: ignore[misc]  # it has no types
    """Indices so ordered that the examples of one batch have about one length, and batches come in any order."""

    def __init__(self, lengths: list[int], size: int, seed: int) -> None:
        self.lengths, self.size, self.seed, self.epoch = lengths, size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next order is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"{self.seed} {self.epoch}")
        blurred = [length + rng.random() * NOISE for length in self.lengths]
        ordered = sorted(range(len(blurred)), key=blurred.__getitem__)
        groups = [ordered[at : at + self.size] for at in range(0, len(ordered), self.size)]
        rng.shuffle(groups)
        return iter([index for group in sorted(groups, key=len, reverse=True) for index in group])
