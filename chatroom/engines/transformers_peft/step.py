"""One token computed by our own layers: the same numbers as transformers' for the models we know, and faster.

transformers' layers spend most of a small model's time in Python; and for a single position, attention and norms take
up to five times as long in bfloat16 as in float32. Here the matrices that read the same input are joined, and what
stands between matrices is computed in float32. Written for Llama, Mistral, Qwen2 and Qwen3; whether it may be used
for a base is decided in decoders.py. Knows no adapter.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from chatroom.engines.transformers_peft.cache import GrowingLayer

Source = tuple[str, slice]
"""Name of a base's linear layer, and the rows that it has in ours."""


class Norm(torch.nn.Module):  # type: ignore[misc]
    """RMSNorm in float32."""

    weight: torch.Tensor

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.register_buffer("weight", norm.weight.detach().float())
        self.epsilon = float(norm.variance_epsilon)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


class Layer(torch.nn.Module):  # type: ignore[misc]
    """One layer, its matrices joined: queries, keys and values; gate and up."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.dtype = mlp.down_proj.weight.dtype
        self.size, self.scaling = int(attention.head_dim), float(attention.scaling)
        self.queries, self.keys = (matrix.out_features // self.size for matrix in (attention.q_proj, attention.k_proj))
        self.read = joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self.widen = joined(mlp.gate_proj, mlp.up_proj)
        self.write, self.narrow = attention.o_proj, mlp.down_proj
        self.before, self.between = Norm(layer.input_layernorm), Norm(layer.post_attention_layernorm)
        norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        self.turned_norms = torch.nn.ModuleList(Norm(norm) for norm in norms if norm is not None)

    def forward(self, hidden: torch.Tensor, cached: GrowingLayer, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """One token's hidden state (1, H) → the same after this layer; appends to the layer's cache."""
        dtype = self.dtype
        read = self.read(self.before(hidden).to(dtype))
        hidden = hidden + self.write(self._attend(read, cached, cos, sin).to(dtype))
        gate, up = self.widen(self.between(hidden).to(dtype)).chunk(2, -1)
        return hidden + self.narrow(functional.silu(gate) * up)

    def _attend(self, read: torch.Tensor, cached: GrowingLayer, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        heads = read.view(-1, self.size)  # (queries + 2 * keys, D)
        turned, values = heads[: self.queries + self.keys], heads[self.queries + self.keys :]
        turned = turned.float()
        if self.turned_norms:
            parts = turned.split([self.queries, self.keys])
            turned = torch.cat([norm(part) for norm, part in zip(self.turned_norms, parts, strict=True)])
        turned = torch.addcmul(turned * cos, turned.roll(self.size // 2, -1), sin)
        query, key = turned[None, : self.queries, None], turned[None, self.queries :, None]  # (1, heads, 1, D)
        keys, all_values = cached.update(key.to(read.dtype), values[None, :, None])
        out = functional.scaled_dot_product_attention(
            query, keys.float(), all_values.float(), scale=self.scaling, enable_gqa=True
        )
        return out.view(1, -1)


class Step(torch.nn.Module):  # type: ignore[misc]
    """A base of a known kind, for one token at a time. It shares the base's memory.

    `sources` says of each linear layer which ones of the base are in it.
    """

    def __init__(self, base: Any) -> None:
        super().__init__()
        inner = base.model
        self.embed, self.rotary = inner.embed_tokens, inner.rotary_emb
        self.norm, self.head = Norm(inner.norm), base.lm_head
        self.dtype = base.lm_head.weight.dtype
        self.layers = torch.nn.ModuleList(Layer(layer) for layer in inner.layers)
        self.sources: dict[str, list[Source]] = {"head": [("lm_head", slice(None))]}
        for number, layer in enumerate(inner.layers):
            self._note(number, layer)

    def forward(self, inputs: torch.Tensor, cache: Any) -> torch.Tensor:
        hidden = self.embed(inputs)[0].float()  # (1, H)
        cos, sin = self.rotary(hidden, torch.tensor([[cache.layers[0].length]]))  # (1, 1, D) each
        half = sin.shape[-1] // 2
        cos, sin = cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)  # rotated: rolled, half of it negative
        for layer, cached in zip(self.layers, cache.layers, strict=True):
            hidden = layer(hidden, cached, cos, sin)
        logits: torch.Tensor = self.head(self.norm(hidden).to(self.dtype))
        return logits

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head

    def _note(self, number: int, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        ours, theirs = f"layers.{number}", f"model.layers.{number}"
        self.sources[f"{ours}.read"] = _rows(f"{theirs}.self_attn", attention, ("q_proj", "k_proj", "v_proj"))
        self.sources[f"{ours}.write"] = _rows(f"{theirs}.self_attn", attention, ("o_proj",))
        self.sources[f"{ours}.widen"] = _rows(f"{theirs}.mlp", mlp, ("gate_proj", "up_proj"))
        self.sources[f"{ours}.narrow"] = _rows(f"{theirs}.mlp", mlp, ("down_proj",))


def joined(*matrices: torch.nn.Linear) -> torch.nn.Linear:
    """One layer for several that read the same input; from now on they are views of its memory."""
    first, rows = matrices[0], [matrix.out_features for matrix in matrices]
    both = torch.nn.Linear(first.in_features, sum(rows), bias=first.bias is not None, device="meta")
    both.weight = _frozen(torch.cat([matrix.weight for matrix in matrices]))
    if first.bias is not None:
        both.bias = _frozen(torch.cat([matrix.bias for matrix in matrices]))
    for matrix, part in zip(matrices, both.weight.detach().split(rows), strict=True):
        matrix.weight.data = part
    return both


def _rows(path: str, owner: Any, names: Sequence[str]) -> list[Source]:
    """The rows that each of some layers has where they are joined."""
    begin, found = 0, list[Source]()
    for name in names:
        end = begin + getattr(owner, name).out_features
        found.append((f"{path}.{name}", slice(begin, end)))
        begin = end
    return found


def _frozen(weight: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(weight, requires_grad=False)
