"""Two models on the same replies: what each would say next at every place, and how far apart they are.

Only places where a held-out reply says something count. It generates nothing and judges nothing.
"""

from collections.abc import Iterable, Sequence

import msgspec
import torch
from torch import Tensor, nn

from finetune.dataset.render import Example


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the reply ids of one moment.

    Args:
        loss: Of the 16-bit model, in nats; `loss_int4` of the other.
        kl: From the one to the other, in nats.
        same: Places where both would say the same next.
    """

    ids: int
    loss: float
    loss_int4: float
    kl: float
    same: int


def compare(half: nn.Module, int4: nn.Module, examples: Iterable[Example]) -> list[Compared]:
    """Compares two models, moment by moment; moments without a reply are left out."""
    return [_compared(half, int4, each) for each in examples if any(each.learn[1:])]


def divergence(found: Sequence[Compared]) -> float:
    """Mean divergence for each id."""
    return sum(each.kl for each in found) / max(1, sum(each.ids for each in found))


def _compared(half: nn.Module, int4: nn.Module, example: Example) -> Compared:
    count = sum(example.learn[1:])
    said = torch.tensor(example.ids[-count:])  # (n,): what is learnt stands at the end
    one, other = _predicted(half, example.ids, count), _predicted(int4, example.ids, count)  # (n, V)
    return Compared(
        ids=count,
        loss=float(-one.gather(1, said[:, None]).sum()),
        loss_int4=float(-other.gather(1, said[:, None]).sum()),
        kl=float(nn.functional.kl_div(other, one, log_target=True, reduction="sum")),
        same=int((one.argmax(1) == other.argmax(1)).sum()),
    )


def _predicted(model: nn.Module, ids: list[int], count: int) -> Tensor:
    """Log-probabilities before each of the last ids, float32, (count, V)."""
    told = torch.tensor([ids], device=next(model.parameters()).device)
    with torch.inference_mode():
        logits = model(input_ids=told, use_cache=False, logits_to_keep=count + 1).logits[0, :-1]
    return logits.float().log_softmax(-1).cpu()
