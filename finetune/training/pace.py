"""How long training takes: measured on a few batches, so that its epochs fit into the minutes that there are.

What was measured leaves no trace in the model or in anything random. It knows no data and no files.
"""

import time
from collections.abc import Callable
from itertools import islice

import torch
from torch import nn

from finetune.dataset.render import Example
from finetune.training.batches import ByLength, Collator

PROBES = 4
RESERVE = 0.85
"""Share of the time that is planned: the rest is for measuring and saving."""

Clock = Callable[[], float]


def seconds_a_batch(model: nn.Module, examples: list[Example], collator: Collator, size: int, clock: Clock) -> float:
    """Measures some batches, forward and backward; the first one warms up and does not count."""
    order = list(ByLength([len(each.ids) for each in examples], size, seed=0))
    random_state, was_training = torch.get_rng_state(), model.training
    model.train()
    took = []
    for start in islice(range(0, len(order), size), PROBES + 1):
        began = clock()
        _once(model, collator, [examples[at] for at in order[start : start + size]])
        took.append(clock() - began)
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    torch.set_rng_state(random_state)
    counted = took[1:] or took
    return sum(counted) / len(counted)


def _once(model: nn.Module, collator: Collator, examples: list[Example]) -> None:
    device = next(model.parameters()).device
    batch = collator(examples)
    moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    model(**moved, use_cache=False).loss.backward()


def epochs_that_fit(minutes: float, epoch: float, wanted: float) -> float:
    """How many epochs of so many seconds fit into so many minutes; less than one where even one does not fit."""
    fit = minutes * 60 * RESERVE / max(epoch, 1e-9)
    return min(wanted, float(int(fit)) if fit >= 1 else max(fit, 0.01))


def pace(model: nn.Module, train: list[Example], held_out: int, collator: Collator, size: int) -> float:
    """Seconds that one epoch takes, with the measuring after it, which takes about a third of training on as much."""
    batch = seconds_a_batch(model, train, collator, size, time.monotonic)
    return batch * (len(train) + held_out / 3) / size
