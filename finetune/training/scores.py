"""How well replies are predicted: the mean loss of every learnt token, and perplexity, its exponential.

Each token counts once, however the examples are grouped. It knows no training.
"""

import math
from collections.abc import Sequence
from statistics import mean, stdev

import torch
from torch import nn

from finetune.dataset.render import Example
from finetune.training.batches import IGNORED, Batch, Collator

BATCH = 8


def mean_loss(model: nn.Module, examples: Sequence[Example], collator: Collator, batch: int = BATCH) -> float:
    """Loss per learnt token, without dropout; the model is left in the mode in which it was."""
    was_training = model.training
    model.eval()
    ordered = sorted(examples, key=lambda each: len(each.ids))
    with torch.no_grad():
        parts = [_summed(model, collator(ordered[at : at + batch])) for at in range(0, len(ordered), batch)]
    model.train(was_training)
    return sum(loss for loss, _ in parts) / max(1, sum(count for _, count in parts))


def perplexity(loss: float) -> float:
    """The perplexity of a mean loss; infinite where it is beyond what a number holds."""
    return math.exp(loss) if loss < 700 else math.inf


def spread(scores: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation over seeds; 0.0 for one seed alone."""
    return mean(scores), stdev(scores) if len(scores) > 1 else 0.0


def _summed(model: nn.Module, batch: Batch) -> tuple[float, int]:
    device = next(model.parameters()).device
    labels = batch["labels"].to(device)[:, 1:]
    moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    del moved["labels"]
    logits = model(**moved, use_cache=False).logits[:, :-1]  # (B, T - 1, V)
    learnt = labels != IGNORED
    loss = nn.functional.cross_entropy(logits[learnt].float(), labels[learnt], reduction="sum")
    return float(loss), int(learnt.sum())
