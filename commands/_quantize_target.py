"""What a name on the command line means: which 16-bit weights are quantized, and which roles speak with them.

A base is shared by roles, a role may have weights or an ordinary LoRA of its own; whoever has neither is refused with
the reason. It quantizes nothing.
"""

import asyncio
from pathlib import Path

import msgspec

from chatroom.errors import FolderError
from chatroom.roles import Role, find_roles, read_role
from chatroom.settings import Settings
from commands.base import say
from finetune.errors import WorkshopError


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is quantized.

    Args:
        name: As `models/hearth` or `roles/mara`: where the int4 weights go.
        weights: Folder of the 16-bit weights.
        made_from: Folders whose digest the proof names; base and adapter for what was merged.
        base: Folder whose scenes may serve as general text.
        roles: Those that speak with the weights, whose talk is calibrated on.
    """

    name: str
    weights: Path
    made_from: tuple[Path, ...]
    base: Path
    roles: tuple[Role, ...]


def target(settings: Settings, name: str) -> Target:
    """Finds what a name means.

    Raises:
        WorkshopError: There is nothing of that name, or nothing of its own to quantize.
        FolderError: A role can't be read.
    """
    base = settings.models / name.removeprefix("models/")
    if (settings.roles / name / "role.toml").is_file():
        return _of_role(settings, read_role(settings.roles / name, settings.models))
    if not base.resolve().is_relative_to(settings.models.resolve()) or not (base / "config.json").is_file():
        there = ", ".join([*find_roles(settings.roles), *_bases(settings)])[:500] or "none"
        raise WorkshopError(name, "there is no role or base of this name", f"there are: {there}")
    return _of_base(settings, base.resolve())


def _of_base(settings: Settings, base: Path) -> Target:
    roles = tuple(role for role in _readable(settings) if not role.weights and Path(role.base) == base)
    name = f"models/{base.relative_to(settings.models.resolve()).as_posix()}"
    if not roles:
        raise WorkshopError(name, "no role speaks with it, so there is no talk to prove it on", "give it a role first")
    return Target(name=name, weights=base, made_from=(base,), base=base, roles=roles)


def _of_role(settings: Settings, role: Role) -> Target:
    name, base = f"roles/{role.id}", Path(role.base)
    if role.weights:
        own = Path(role.weights)
        return Target(name=name, weights=own, made_from=(own,), base=base, roles=(role,))
    lora = role.lora or (role.adapter.path if role.adapter and not role.adapter.invocation else "")
    if role.adapter and not lora:
        problem = "its adapter is an activated LoRA: merged into its base it would act everywhere"
        raise WorkshopError(name, problem, f"quantize its base instead: quantize {_base_name(settings, base)}")
    if not lora:
        problem = "it speaks with its base and has no weights of its own"
        raise WorkshopError(name, problem, f"quantize {_base_name(settings, base)}")
    adapter = Path(lora)
    return Target(
        name=name,
        weights=_merged(base, adapter, settings.home),
        made_from=(base, adapter),
        base=base,
        roles=(role,),
    )


def _merged(base: Path, adapter: Path, home: Path) -> Path:
    """The weights that TurboMind would load in 16 bit: the same merge, kept in the same place."""
    from chatroom.merged_weights import merged

    return asyncio.run(merged(base, adapter, home))


def _readable(settings: Settings) -> list[Role]:
    found = []
    for id_ in find_roles(settings.roles):
        try:
            found.append(read_role(settings.roles / id_, settings.models))
        except FolderError as error:
            say(f"left out: {error}")
    return found


def _bases(settings: Settings) -> list[str]:
    return [f"models/{path.parent.name}" for path in sorted(settings.models.glob("*/config.json"))]


def _base_name(settings: Settings, base: Path) -> str:
    models = settings.models.resolve()
    return f"models/{base.relative_to(models).as_posix()}" if base.is_relative_to(models) else str(base)
