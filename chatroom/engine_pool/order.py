"""What is to be started for a role: the plan's decision as a plug-in, its options, and the memory that it takes.

Invariant: two orders with the same `key` are the same engine with another cache; one that runs answers for both. Pure.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from chatroom.engine_plan import PlannedEngine
from chatroom.engine_plan.gathering import int4_name
from chatroom.engine_plan.wishes import EMBEDDED, LORA
from chatroom.engine_pool.measured import Model
from chatroom.engine_pool.options import base_options, engine_options
from chatroom.engines.base import EngineOptions
from chatroom.int4_proof import place
from chatroom.messages import Adapter
from chatroom.roles import Role, fingerprint
from chatroom.settings import Settings


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One engine.

    Args:
        engine: The plug-in of chatroom/engines.
        key: What it holds, and how.
        options: Its base is not the merged one yet, where a LoRA is merged.
        bytes: What it holds from before its start until it is closed.
        lora: The LoRA that is merged into the base first; "" where none is.
    """

    engine: str
    key: tuple[Hashable, ...]
    options: EngineOptions
    bytes: int = 0
    lora: str = ""


def unplanned(settings: Settings, role: Role, size: int = 0) -> Order:
    """The engine of a role that no plan knows: as it is named, or that of the settings.

    Args:
        size: Bytes that it takes here, as far as they are known.
    """
    kind, options = role.engine or settings.engine, engine_options(settings, role)
    if kind == EMBEDDED and not options.address:
        return Order(
            engine=kind, key=_key(kind, options.base, fingerprint(Path(options.base))), options=options, bytes=size
        )
    mark = fingerprint(Path(role.weights)) if role.weights else ""
    return Order(engine=kind, key=(kind, options, mark), options=options, bytes=size)


def planned(settings: Settings, engine: PlannedEngine, models: Mapping[str, Model]) -> Order:
    """The engine of a plan.

    Args:
        models: What its roles speak with, by role.
    """
    first = models[engine.roles[0]]
    assert first.wish is not None  # what can't be measured is in no plan
    int4 = engine.precision == "int4"
    name = f"roles/{engine.merged}" if engine.merged else int4_name(first.wish.weights)
    lora = (first.lora.path, first.lora.fingerprint) if engine.merged and first.lora else ("", "")
    options = base_options(
        settings, str(place(settings.home, name)) if int4 else engine.weights, engine=engine.engine, address=""
    )
    return Order(
        engine=engine.engine,
        key=_key(engine.engine, engine.weights, first.mark, *lora, "int4" if int4 or engine.packs else ""),
        options=replace(
            options,
            memory=_memory(settings, engine),
            cache_bytes=0 if engine.engine == EMBEDDED else engine.cache,
            quantization="int4" if int4 or engine.packs else "none",
            adapters=_adapters(engine, models),
        ),
        bytes=engine.total,
        lora="" if int4 else lora[0],
    )


def merged_into(order: Order, folder: Path) -> EngineOptions:
    """Its options once the LoRA is merged."""
    return replace(order.options, base=str(folder))


def _key(
    engine: str, weights: str, mark: str, lora: str = "", lora_mark: str = "", precision: str = ""
) -> tuple[Hashable, ...]:
    return engine, weights, mark, lora, lora_mark, precision


def _adapters(engine: PlannedEngine, models: Mapping[str, Model]) -> tuple[Adapter, ...]:
    """All that will be asked for, where they are loaded at the start only."""
    loras = (models[role].lora for role in engine.roles if engine.engine == LORA)
    return tuple(sorted((lora for lora in loras if lora), key=lambda lora: lora.path))


def _memory(settings: Settings, engine: PlannedEngine) -> int:
    """What the embedded engine may keep of transcripts, and again of weights to decode with: all that is set, where the
    plan had not to be sparing."""
    spared = engine.cache < engine.cache_most or engine.decoding < engine.decoding_most
    return min(settings.memory, max(engine.cache, engine.decoding)) if spared else settings.memory
