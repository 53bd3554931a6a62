"""The keys of role.toml, with their limits: docs/role.md is generated from here.

Every field has a default, so that reading goes on after a fault; what can't be missing is checked in roles.py. It
knows no folder and no model.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chatroom.messages import Sampling

_DRAWN = Sampling()

Alias = Annotated[str, Meta(min_length=1, max_length=40)]
Inside = Annotated[str, Meta(min_length=1, max_length=300)]
"""A path inside the role folder, or `models/...`."""


class ModelTable(msgspec.Struct, frozen=True, kw_only=True):
    """[model]: what the role speaks with."""

    base: Inside = "models/hearth"
    """The model under it: `models/NAME`, a folder in the role folder, or a hub id as `Qwen/Qwen2.5-0.5B-Instruct`."""
    adapter: Inside | None = None
    """Folder of a PEFT LoRA adapter for the base, activated (aLoRA) or ordinary."""
    lora: Inside | None = None
    """Folder of the ordinary LoRA trained beside an activated one, for engines that know only these."""
    weights: Inside | None = None
    """Folder of fine-tuned weights, spoken with in place of base and adapter."""
    layout: Literal["room", "chat"] | None = None
    """How it is asked: `room` shares the transcript with all others, `chat` puts the persona first and uses the
    base's template. Not set: `chat` for what was trained elsewhere, where the base has a template."""
    engine: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")] = ""
    """Who answers for it, if not the engine of the settings."""
    address: Annotated[str, Meta(max_length=300)] = ""
    """A server that runs already, for `openai_api`, `turbomind` and `lmdeploy_lora`; overrides the settings. What is
    said in its rooms goes there. A key is sent only to the address of the settings."""
    served: Annotated[str, Meta(max_length=300)] = ""
    """The model's name on that server; an adapter that the server knows by name is one too. Not set: its only one."""
    quantization: Literal["none", "int4"] = "none"
    """How small the weights are: `int4` is used once the gate has let these very weights pass
    (`launch.py quantize`); until then it speaks in 16 bit."""


class SamplingTable(msgspec.Struct, frozen=True, kw_only=True):
    """[sampling]: how its words are drawn."""

    temperature: Annotated[float, Meta(ge=0, le=2)] = _DRAWN.temperature
    """How daring it is: 0 always takes the likeliest word."""
    top_p: Annotated[float, Meta(gt=0, le=1)] = _DRAWN.top_p
    """Draws from the likeliest words that together have this probability."""
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] = _DRAWN.top_k
    """Draws from this many likeliest words; 0 from all."""
    repetition_penalty: Annotated[float, Meta(ge=0.5, le=2)] = _DRAWN.repetition_penalty
    """Above 1 it repeats itself less."""
    lean: Annotated[float, Meta(ge=0, le=1)] = _DRAWN.lean
    """Share of a word's chance that goes to what the examples from lines.jsonl say next: 0.95 for a base so small that
    it can't choose by itself, 0 for all others. Only the embedded engine does so."""
    max_tokens: Annotated[int, Meta(ge=1, le=4096)] = _DRAWN.max_tokens
    """Longest reply."""


class KnowledgeTable(msgspec.Struct, frozen=True, kw_only=True):
    """[knowledge]: what it is reminded of before it speaks."""

    sources: Annotated[tuple[Inside, ...], Meta(max_length=32)] = ()
    """Folders or files in the role folder: what only this role knows."""
    top_k: Annotated[int, Meta(ge=0, le=32)] = 4
    """How many passages of its sources it is reminded of at a turn."""
    memory: Annotated[int, Meta(ge=0, le=16)] = 3
    """How many stretches of what was said long ago it is reminded of, once its prompt no longer holds them."""
    examples: Annotated[int, Meta(ge=0, le=8)] = 2
    """How many exchanges of lines.jsonl nearest to the moment it is shown as examples of its voice."""


class TurnsTable(msgspec.Struct, frozen=True, kw_only=True):
    """[turns]: when it speaks."""

    talkativeness: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """How often it speaks unasked, from 0 to 1."""


class RoleToml(msgspec.Struct, frozen=True, kw_only=True):
    """role.toml."""

    name: str = ""
    """What it is called at the table: 1 to 40 characters."""
    aliases: Annotated[tuple[Alias, ...], Meta(max_length=32)] = ()
    """Other names that it answers to, in any script."""
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")] = "en"
    """Language of the words around what it is told."""
    about: Annotated[str, Meta(max_length=300)] = ""
    """The one line that others at the table know of it."""
    greeting: Annotated[str, Meta(max_length=4000)] = ""
    """What it says when a room is opened for the first time."""
    model: ModelTable = ModelTable()
    sampling: SamplingTable = SamplingTable()
    knowledge: KnowledgeTable = KnowledgeTable()
    turns: TurnsTable = TurnsTable()
