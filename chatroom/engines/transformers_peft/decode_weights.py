"""The weights that replies are decoded with: the base's, and copies with an adapter in them.

While a role decodes, its adapter acts on every position; so its product is added to the weights once, instead of at
every token. Prompts are still read by the one base. Copies hold layers in the form that is fastest for one position:
rounded to four bits where that was asked for, else packed, else in rows; and share with the base what is as it was.
They are made after a reply's first piece, one layer at a time so that other turns go on, and kept within a bound of
bytes, the least recently used going first. A turn whose copy is gone decodes with the adapter beside the base: slower,
and the same. Invariant: a copy belongs to one fingerprint, and goes when that adapter is replaced. CPU only.
"""

import functools
import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping

import msgspec
import torch

from chatroom.engines.transformers_peft.decoders import Decoder
from chatroom.engines.transformers_peft.int4 import Int4Linear, fitting_group, linears, packed_bytes, put, say_left
from chatroom.engines.transformers_peft.packed import PackedLinear, packs
from chatroom.engines.transformers_peft.sharing import own_bytes, sharing_copy

log = logging.getLogger(__name__)

GROUP = 64
"""How many weights share a scale in four bits."""

HEAD_SHARE = 3
"""The head is packed, once for all copies, if that takes no more than this part of the bound."""

Changes = Mapping[str, Callable[[], torch.Tensor]]
"""What an adapter adds to the base's linear layers, by name: makes float32 (N, K)."""


class Making(msgspec.Struct, frozen=True):
    """A copy on its way."""

    fingerprint: str
    steps: Generator[None, None, None]


class DecodeWeights:
    """Decoders of one base, by the fingerprint of the adapter that is in their weights.

    Args:
        base: Decodes in base weights; its head may be packed.
        memory: Most bytes that all this may take beside the base.
        int4: Whether the layers between embeddings and head are rounded to four bits.
    """

    def __init__(self, base: Decoder, *, memory: int, int4: bool) -> None:
        self._base, self._int4 = base, int4
        self._inner = linears(base)
        self._rows: dict[str, torch.nn.Linear] = {name: base.get_submodule(name) for name in base.sources}
        self._memory = memory - self._pack_head(memory)
        self._copies: OrderedDict[str, Decoder] = OrderedDict()  # least recently used first
        self._making: Making | None = None
        if int4:
            say_left([name for name in self._inner if not fitting_group(self._rows[name], GROUP)])

    def find(self, fingerprint: str) -> Decoder | None:
        """The decoder with that adapter, "" for none; None if there is none now."""
        if fingerprint in self._copies:
            self._copies.move_to_end(fingerprint)
        return self._copies.get(fingerprint, None if fingerprint else self._base)

    def make(self, fingerprint: str, changes: Changes) -> Generator[None, None, None]:
        """Makes a decoder, a layer at a time; turns that wait, whatever for, make one after another together.

        Makes none if it would take more than the bound, or be the same as the base.
        """
        if not self._touched(changes):
            return
        while self._making and self._making.fingerprint != fingerprint:
            self._go_on(self._making)
            yield
        if fingerprint not in self._copies and not self._making:
            self._making = Making(fingerprint, self._make(fingerprint, changes))
        while self._making and self._making.fingerprint == fingerprint:
            self._go_on(self._making)
            yield

    def has(self, fingerprint: str) -> bool:
        """Whether there is a copy of its own for it."""
        return fingerprint in self._copies

    def forget(self, fingerprint: str) -> None:
        """Drops what was made for an adapter that is gone, also what is being made."""
        self._copies.pop(fingerprint, None)
        if self._making and self._making.fingerprint == fingerprint:
            self._making = None

    @property
    def nbytes(self) -> int:
        """Bytes of all copies, without what they share with the base."""
        return sum(own_bytes(copied, self._base) for copied in self._copies.values())

    def _go_on(self, making: Making) -> None:
        """Makes one more layer. What fails costs speed, and no reply."""
        try:
            next(making.steps)
        except StopIteration:
            self._making = None
        except (RuntimeError, MemoryError):
            self._making = None
            log.exception("no weights of its own for decoding")

    def _make(self, fingerprint: str, changes: Changes) -> Generator[None, None, None]:
        touched = self._touched(changes)
        size = sum(map(self._new_bytes, touched))
        if not self._make_room(size):
            return
        copied = sharing_copy(self._base)
        for name in touched:
            put(copied, name, self._changed(name, changes))
            yield
        self._copies[fingerprint] = copied
        log.info("made weights for decoding: %d of them take %d bytes", len(self._copies), self.nbytes)

    def _make_room(self, size: int) -> bool:
        """Drops copies until so many bytes are free within the bound; False if they never will be."""
        if size > self._memory:
            log.info(
                "no weights of its own for decoding: %d bytes are more than the %d there may be", size, self._memory
            )
            return False
        while self.nbytes + size > self._memory:
            self._copies.popitem(last=False)
        return True

    def _touched(self, changes: Changes) -> list[str]:
        """The layers that will be others: those with a change, and those that are faster in another form."""
        sources = self._base.sources
        changed = [name for name in self._rows if any(source in changes for source, _ in sources[name])]
        return list(dict.fromkeys([*changed, *(name for name in self._inner if self._form(name) is not None)]))

    def _changed(self, name: str, changes: Changes) -> torch.nn.Module:
        """A layer with the adapter in it, in its fastest form."""
        rows = self._rows[name]
        weight = rows.weight.detach().clone()
        for source, part in self._base.sources[name]:
            if source in changes:
                weight[part] = (weight[part].float() + changes[source]()).to(weight.dtype)
        changed = torch.nn.Linear(rows.in_features, rows.out_features, bias=False, device="meta")
        changed.weight, changed.bias = torch.nn.Parameter(weight, requires_grad=False), rows.bias
        form = self._form(name)
        return form(changed) if form else changed

    def _form(self, name: str) -> Callable[[torch.nn.Linear], torch.nn.Module] | None:
        """What makes a layer's fastest form; None where that is the rows as they are."""
        rows = self._rows[name]
        group = fitting_group(rows, GROUP) if self._int4 and name in self._inner else 0
        if group:
            return functools.partial(Int4Linear, group=group)
        return PackedLinear if packs(rows) else None

    def _new_bytes(self, name: str) -> int:
        """What a layer takes in its fastest form."""
        rows = self._rows[name]
        group = fitting_group(rows, GROUP) if self._int4 and name in self._inner else 0
        return packed_bytes(rows, group) if group else int(rows.weight.nbytes)

    def _pack_head(self, memory: int) -> int:
        """Packs the head if that is faster and small enough, and gives the bytes that it takes."""
        head = self._base.get_output_embeddings()
        if not isinstance(head, torch.nn.Linear) or not packs(head) or HEAD_SHARE * head.weight.nbytes > memory:
            return 0
        put(self._base, next(name for name, rows in self._rows.items() if rows is head), PackedLinear(head))
        return int(head.weight.nbytes)
