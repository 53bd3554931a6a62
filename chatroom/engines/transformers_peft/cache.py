"""The keys and values of a lane, in buffers that grow by doubling.

transformers' own DynamicLayer joins tensors at every token, a copy of the whole room per token. Here a token is
written in place, cutting back is a matter of changing a number, and the bytes held are known. Attention reads views
`[:, :, :length]` of the buffers. Knows no ids and no prompt.
"""

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, get_layer_types_and_kwargs

FIRST_POSITIONS = 256


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped here
    """One layer's keys and values, (1, heads, positions, head size)."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0
        self._buffers: tuple[torch.Tensor, ...] = ()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: object, **_options: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends positions and gives views of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[-2]
        self._reserve(end, (key_states, value_states))
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self.length : end] = new
        self._show(end)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self.length

    def crop(self, tokens_to_remove: int) -> None:
        """Drops the last positions; transformers hands their number as a negative one."""
        assert tokens_to_remove <= 0
        self._show(self.length + tokens_to_remove)

    def copy_of(self, positions: int) -> "GrowingLayer":
        """Copies the first positions into a layer of its own."""
        copy = GrowingLayer()
        if positions:
            copy.update(self.keys[:, :, :positions], self.values[:, :, :positions])
        return copy

    @property
    def nbytes(self) -> int:
        return sum(buffer.nbytes for buffer in self._buffers)

    def _reserve(self, end: int, like: tuple[torch.Tensor, ...]) -> None:
        room = self._buffers[0].shape[-2] if self._buffers else 0
        if end <= room:
            return
        room = max(room, FIRST_POSITIONS)
        while room < end:
            room *= 2
        grown = tuple(new.new_empty(*new.shape[:-2], room, new.shape[-1]) for new in like)
        for old, new in zip(self._buffers, grown, strict=False):
            new[:, :, : self.length] = old[:, :, : self.length]
        self._buffers = grown

    def _show(self, length: int) -> None:
        self.length = length
        if self._buffers:
            self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def can_crop(config: object, context: int) -> bool:
    """Whether every layer keeps all positions, so that a lane can be cut back to any of them.

    A sliding window that is at least as long as the context never slides, and counts as full attention.
    """
    kinds, options = get_layer_types_and_kwargs(config)
    return all(
        kind == "full_attention" or (kind == "sliding_attention" and option["sliding_window"] >= context)
        for kind, option in zip(kinds, options, strict=True)
    )


def new_cache(config: object, context: int) -> Cache:
    """Makes an empty cache for a model; one of transformers' own where positions can't be cut back."""
    if can_crop(config, context):
        kinds, _ = get_layer_types_and_kwargs(config)
        return Cache(layers=[GrowingLayer() for _ in kinds])
    return DynamicCache(config=config)


def cache_bytes(cache: Cache) -> int:
    """Memory that a cache holds, reserve included."""
    return sum(layer.nbytes if isinstance(layer, GrowingLayer) else _plain_bytes(layer) for layer in cache.layers)


def _plain_bytes(layer: object) -> int:
    tensors = (getattr(layer, name, None) for name in ("keys", "values"))
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)
