"""What computes one token behind a cache: a base with its layers as they are, or `Step`, which does the same faster.

`Step` is used for the kinds of models that it knows, after it has agreed with transformers' layers: exactly on a small
twin of the base, and on the base itself. Every other base decodes with those layers, also where anything fails.
Knows no adapter: weights are put into copies of a decoder by the names that its `sources` gives.
"""

import copy
import logging
from typing import Any

import torch
from transformers import LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM

from chatroom.engines.transformers_peft.cache import GrowingLayer, new_cache
from chatroom.engines.transformers_peft.sharing import sharing_copy
from chatroom.engines.transformers_peft.step import Source, Step

log = logging.getLogger(__name__)

KNOWN = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)

STATELESS = ("default", "linear", "llama3", "yarn")
"""Kinds of positions that don't depend on how long the text was before."""

PROBE = tuple(range(3, 20))
"""Ids that a step is tried on."""

TWIN = 64
"""Sizes of the small base on which the formulas are tried exactly."""

CLOSE = {torch.float32: 1e-3}
"""How far a step's logits may be from transformers', as a share of their spread."""
CLOSE_HALF = 0.25
"""The same in 16 bit, where each rounds in its own way; a wrong formula is off by more than the whole spread."""


class Plain(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The layers of transformers, with the same face as `Step`."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        self.sources: dict[str, list[Source]] = {
            f"base.{name}": [(name, slice(None))]
            for name, module in base.named_modules()
            if isinstance(module, torch.nn.Linear)
        }

    def forward(self, inputs: torch.Tensor, cache: Any) -> torch.Tensor:
        out = self.base(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: torch.Tensor = out.logits[0]
        return logits

    def get_output_embeddings(self) -> torch.nn.Module:
        head: torch.nn.Module = self.base.get_output_embeddings()
        return head


Decoder = Plain | Step
"""Appends one token to a cache and gives the logits (1, V) of what comes next."""


def decoder_of(base: Any, context: int) -> Decoder:
    """The fastest decoder that computes what the base computes.

    Args:
        base: A causal language model of transformers that no adapter was put on.
        context: Most positions of a prompt and its reply.
    """
    try:
        step = _step_of(base, context)
    except Exception:  # another version of transformers may build its layers in another way
        log.warning("decoding stays with transformers' own layers: ours can't compute this base", exc_info=True)
        step = None
    return step or Plain(sharing_copy(base))


def _step_of(base: Any, context: int) -> Step | None:
    """Our own layers, where they are known to compute what the base computes."""
    if not _is_known(base, context):
        return None
    twin = _twin(base)
    with torch.no_grad():
        exact, step = Step(twin), Step(base)
    if agrees(exact, twin, context) and agrees(step, base, context):
        return step
    log.warning("decoding stays with transformers' own layers: ours compute something else for this base")
    return None


def agrees(decoder: Decoder, base: Any, context: int) -> bool:
    """Whether a decoder says the same as the base after a few tokens."""
    config = base.config.get_text_config(decoder=True)
    ids, cache = torch.tensor([PROBE]) % config.vocab_size, new_cache(config, context)
    with torch.inference_mode():
        theirs = Plain(base)(ids, cache).float()
        cache.crop(-1)
        ours = decoder(ids[:, -1:], cache).float()
    close = CLOSE.get(base.dtype, CLOSE_HALF) * float(theirs.std())
    return bool((theirs - ours).abs().max() <= close)


def _twin(base: Any) -> Any:
    """A small base of the same formulas, random, in float32: in 16 bit, rounding hides what is a little wrong."""
    config = copy.deepcopy(base.config)
    config.head_dim = base.model.layers[0].self_attn.head_dim
    config.hidden_size = config.intermediate_size = config.vocab_size = TWIN
    config.pad_token_id = None
    twin, random = type(base)(config).float().eval(), torch.Generator().manual_seed(0)
    for weight in twin.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=random)
    return twin


def _is_known(base: Any, context: int) -> bool:
    """Whether `Step` was written for a model: its kind, all layers alike, every position kept."""
    if type(base) not in KNOWN or base.device.type != "cpu":
        return False
    layers = new_cache(base.config, context).layers
    if not all(isinstance(layer, GrowingLayer) for layer in layers) or base.model.rotary_emb.rope_type not in STATELESS:
        return False
    return base.config.hidden_act == "silu" and all(_is_plain(layer) for layer in base.model.layers)


def _is_plain(layer: Any) -> bool:
    attention, mlp = layer.self_attn, layer.mlp
    groups = ((attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj), (mlp.gate_proj, mlp.up_proj))
    linears = [*groups[0], *groups[1], mlp.down_proj]
    biases = [{matrix.bias is None for matrix in group} for group in (groups[0][:3], groups[1])]
    return all(type(matrix) is torch.nn.Linear for matrix in linears) and all(len(kinds) == 1 for kinds in biases)
