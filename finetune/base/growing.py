"""Makes a deeper model of a trained one that says the same at first.

New layers are copies of their neighbours whose outputs are zero, so that they add nothing until they have learnt
something (as in stacking and progressive training: what was learnt once is not paid for again).
"""

import re

from torch import Tensor, zeros_like

_LAYER = re.compile(r"(.*\blayers\.)(\d+)(\..*)")
_OUTPUTS = ("self_attn.o_proj.weight", "mlp.down_proj.weight")
"""What a layer adds to the stream goes through one of these."""


def grown(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Weights of a model with so many layers; the new ones stand evenly among the old.

    Raises:
        ValueError: There are fewer layers than the weights have.
    """
    old = 1 + max(int(found[2]) for name in weights if (found := _LAYER.fullmatch(name)))
    if layers < old:
        raise ValueError(
            f"{layers} layers can't hold the {old} that were trained; num_hidden_layers must be {old} or more"
        )
    made = {name: tensor for name, tensor in weights.items() if not _LAYER.fullmatch(name)}
    kept = {at * layers // old: at for at in range(old)}  # where each old layer goes
    source = 0
    for place in range(layers):
        source = kept.get(place, source)
        for name, tensor in weights.items():
            if (found := _LAYER.fullmatch(name)) and int(found[2]) == source:
                silent = place not in kept and name.endswith(_OUTPUTS)
                made[f"{found[1]}{place}{found[3]}"] = zeros_like(tensor) if silent else tensor.clone()
    return made
