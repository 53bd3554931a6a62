"""What each role wants of the machine: weights, adapter, engine, precision, room for its transcripts.

Pure data, gathered elsewhere. Knows no file and no decision.
"""

from typing import Literal

import msgspec

from chatroom.engine_plan.sizes import Weights

EMBEDDED, TURBOMIND, LORA = "transformers_peft", "turbomind", "lmdeploy_lora"
"""The engines that hold weights on this machine."""

Kind = Literal["none", "lora", "alora", "twin", "own"]
"""No adapter; an ordinary LoRA; an activated one alone; an activated one and its ordinary twin; weights of its own."""

SMALL_CPU_BASE = 4_000_000
"""Bytes up to which the embedded engine keeps a model in 32 bit on a CPU, where nothing else is set."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one role wants.

    Args:
        role: Its id.
        weights: The base, or its own weights.
        engine: The engine that role.toml or the settings name; "" leaves it to the plan.
        int4: Whether it wants int4.
        context: Most positions of a prompt and its reply.
        rooms: Ids of the rooms it sits in.
        spoke: When it last spoke, in any unit; larger is later.
        adapter: Bytes of its adapter, ordinary or activated.
        lora: Bytes of the ordinary twin.
        unfit: Why LMDeploy's PyTorch engine would get its ordinary LoRA wrong; "" if it would not.
        merged: The method of int4 weights of its merged LoRA that passed the gate; "" without.
        fallback: The base that it speaks with, without adapter, where nothing else fits.
        elsewhere: The server that speaks for it; "" if it is this machine.
    """

    role: str
    weights: Weights
    kind: Kind = "none"
    engine: str = ""
    int4: bool = False
    context: int
    rooms: tuple[str, ...] = ()
    spoke: int = 0
    adapter: int = 0
    lora: int = 0
    unfit: str = ""
    merged: str = ""
    fallback: Weights | None = None
    elsewhere: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the engines run.

    Args:
        gpu: Whether the memory is that of a GPU.
        memory: Bytes that all engines together may take.
        free: Bytes that are free before the first engine starts; cache shares are shares of this.
        dtype: Number format of the embedded engine, as the settings name it.
        keeps: Most bytes of transcripts that an embedded engine keeps, and again of weights to decode with.
        half_units: Whether the processor computes in bfloat16.
    """

    gpu: bool
    memory: int
    free: int
    dtype: str = "auto"
    keeps: int = 1 << 30
    half_units: bool = False

    @property
    def budget(self) -> int:
        """What may be taken: never more than there is."""
        return min(self.memory, self.free)
