"""What `engines plan` asks: the roles of all rooms with their sizes, and the memory of the machine.

A role or room that can't be read is named, and the others are planned without it.
"""

from pathlib import Path

import msgspec

from chatroom import plugins
from chatroom.engine_plan import Machine, Plan, Weights, Wish
from chatroom.engine_plan.measure import measure_adapter, measure_weights, proven_method
from chatroom.engine_plan.wishes import EMBEDDED, LORA, TURBOMIND, Kind
from chatroom.errors import FolderError, SettingsError
from chatroom.roles import Role, read_role
from chatroom.rooms import find_rooms, read_room
from chatroom.settings import Settings, parse_size
from chatroom.toml_table import nearest
from commands._free_memory import gpu_free, system_free
from commands.base import say

INT4 = "int4"
"""Folder of CHATROOM_HOME with int4 weights: models/NAME of a base, roles/ID of what is a role's alone."""


class _Shown(msgspec.Struct, frozen=True):
    """A plan with its sums."""

    used: int
    left: int
    plan: Plan


def machine(settings: Settings, memory: str) -> Machine:
    """The machine to plan for.

    Args:
        memory: Of a GPU that need not be here; "" takes the one that is, or the processor.

    Raises:
        SettingsError: It is no size.
    """
    if memory:
        size = _size(memory)
        return Machine(gpu=True, memory=size, free=size, dtype=settings.dtype)
    free = gpu_free() if settings.device != "cpu" else None
    if free is not None:
        return Machine(gpu=True, memory=settings.gpu_memory or free, free=free, dtype=settings.dtype)
    free = system_free()
    return Machine(gpu=False, memory=free, free=free, dtype=settings.dtype)


def gather(settings: Settings, fallback: str) -> tuple[list[Wish], bool]:
    """What the roles of all rooms want, those of the room that is meant first; and whether all could be read.

    Raises:
        FolderError: There is no room, or the fallback can't be measured.
    """
    seats, complete = _seats(settings)
    base = _fallback(settings, fallback) if fallback else None
    wishes = []
    for id_, rooms in seats.items():
        try:
            role = read_role(settings.roles / id_, settings.models)
            wishes.append(_wish(settings, role, rooms, base))
        except FolderError as error:
            say(f"error: {error}")
            complete = False
    return wishes, complete


def as_json(plan: Plan) -> str:
    """A plan with its sums, in bytes."""
    shown = _Shown(used=plan.used, left=plan.left, plan=plan)
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise SettingsError(f"--memory: {error}") from None
    if not isinstance(size, int) or size <= 0:
        raise SettingsError("--memory: expected a size such as 24GiB")
    return size


def _seats(settings: Settings) -> tuple[dict[str, list[str]], bool]:
    """Role → the rooms that it sits in; and whether every room could be read."""
    ids = sorted(find_rooms(settings.rooms), key=lambda id_: (id_ != settings.room, id_))
    if not ids:
        raise FolderError(str(settings.rooms), "there is no room", "make one: rooms new ID --roles ROLE")
    found: dict[str, list[str]] = {}
    complete = True
    for id_ in ids:
        try:
            for role in read_room(settings.rooms / f"{id_}.toml").roles:
                found.setdefault(role, []).append(id_)
        except FolderError as error:
            say(f"error: {error}")
            complete = False
    return found, complete


def _wish(settings: Settings, role: Role, rooms: list[str], fallback: Weights | None) -> Wish:
    engine = role.engine or (settings.engine if "engine" in settings.sources else "")
    _check_engine(role, engine)
    kind = _kind(role)
    there = bool(role.address) or engine not in ("", EMBEDDED, TURBOMIND, LORA)
    adapter, unfit = _adapter(role, role.adapter.path if role.adapter and not there else "")
    lora, unfit_twin = _adapter(role, "" if there else role.lora)
    return Wish(
        role=role.id,
        weights=_nothing(role) if there else _weights(settings, role),
        kind=kind,
        engine=engine,
        int4=role.quantization == "int4",
        context=settings.context,
        rooms=tuple(rooms),
        adapter=adapter,
        lora=lora,
        unfit=unfit_twin if kind == "twin" else unfit,
        merged=_proven(settings, f"roles/{role.id}"),
        fallback=fallback,
        elsewhere=f"a server that runs already speaks for it: {role.address}" if role.address else "",
    )


def _adapter(role: Role, path: str) -> tuple[int, str]:
    """Bytes of an adapter, and what the PyTorch engine would get wrong in it; nothing where there is none."""
    return measure_adapter(Path(path), f"roles/{role.id}/{Path(path).name}") if path else (0, "")


def _kind(role: Role) -> Kind:
    if role.weights:
        return "own"
    if role.adapter is None:
        return "none"
    if not role.adapter.invocation:
        return "lora"
    return "twin" if role.lora else "alora"


def _check_engine(role: Role, engine: str) -> None:
    known = sorted({*plugins.names("chatroom.engines"), EMBEDDED, TURBOMIND, LORA})
    if engine and engine not in known:
        where = f"roles/{role.id}/role.toml"
        raise FolderError(where, f"there is no engine {engine!r}", nearest(engine, known), key="model.engine")


def _weights(settings: Settings, role: Role) -> Weights:
    """The sizes of what it speaks with: its own weights, or its base."""
    path = Path(role.weights or role.base)
    if not path.is_dir():
        problem = f"{role.base!r} is no folder of this machine, and its size can't be read"
        remedy = 'put its files into models/NAME and write base = "models/NAME"'
        raise FolderError(f"roles/{role.id}/role.toml", problem, remedy, key="model.base")
    return _measured(settings, path, role.id)


def _measured(settings: Settings, path: Path, role: str) -> Weights:
    """The sizes of a folder of weights, under the name that a user gives it."""
    models = settings.models.resolve()
    own = not path.is_relative_to(models)
    name = f"roles/{role}/{path.name}" if own else f"models/{path.relative_to(models).as_posix()}"
    return measure_weights(path, name, proven=_proven(settings, f"roles/{role}" if own else name))


def _proven(settings: Settings, name: str) -> str:
    """The method of int4 weights that passed the gate, of a base or of what is a role's alone."""
    return proven_method(settings.home / INT4 / name, f"{INT4}/{name}")


def _fallback(settings: Settings, name: str) -> Weights:
    path = (settings.models / name.removeprefix("models/")).resolve()
    if not name.startswith("models/") or not path.is_relative_to(settings.models.resolve()) or not path.is_dir():
        raise FolderError(f"--fallback {name}", "there is no such base", "name one as models/NAME")
    return _measured(settings, path, "")


def _nothing(role: Role) -> Weights:
    """Stands for weights that others hold."""
    return Weights(id=role.weights or role.base, name=role.base, half=0, int4=0, kv=0, context=1)
