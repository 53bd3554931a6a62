"""What `engines plan` asks: the roles of all rooms with their sizes, and the memory of the machine.

A role or room that can't be read is named, and the others are planned without it. What a role wants is gathered as the
server does it.
"""

import asyncio

import msgspec
from msgspec.structs import replace

from chatroom.engine_plan import Machine, Plan, Wish
from chatroom.engine_plan.gathering import fallback_of, wish_of, without_lmdeploy
from chatroom.engine_plan.machine_here import machine_here
from chatroom.errors import FolderError, SettingsError
from chatroom.roles import read_role
from chatroom.rooms import find_rooms, read_room
from chatroom.settings import Settings, parse_size
from commands.base import say


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
        return Machine(gpu=True, memory=size, free=size, dtype=settings.dtype, keeps=settings.memory)
    return asyncio.run(machine_here(settings))


def gather(settings: Settings, fallback: str, memory: str) -> tuple[list[Wish], bool]:
    """What the roles of all rooms want, those of the room that is meant first; and whether all could be read.

    Args:
        fallback: The base for roles whose engine is too large; "" takes the one of the settings.
        memory: As `machine` takes it: LMDeploy must be on this machine only if it is planned for.

    Raises:
        FolderError: There is no room, or the fallback can't be measured.
    """
    seats, complete = _seats(settings)
    unfit = "" if memory else without_lmdeploy(settings)
    named, key = fallback or settings.fallback, "--fallback" if fallback else "fallback"
    base = fallback_of(settings, named, key=key, unfit=unfit) if named else None
    wishes = []
    for id_, rooms in seats.items():
        try:
            wish = wish_of(settings, read_role(settings.roles / id_, settings.models), tuple(rooms), unfit=unfit)
            wishes.append(replace(wish, fallback=base))
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
