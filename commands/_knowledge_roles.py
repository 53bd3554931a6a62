"""The roles and rooms that a knowledge command is about. What can't be read is named, and the others go on."""

from collections.abc import Sequence

from chatroom.errors import FolderError
from chatroom.roles import Role, find_roles, read_role
from chatroom.rooms import RoomFile, find_rooms, read_room
from chatroom.settings import Settings
from chatroom.toml_table import nearest
from commands.base import say


def chosen(settings: Settings, ids: Sequence[str]) -> list[Role]:
    """Those that were named, or all; in the order of their ids, each once.

    Raises:
        FolderError: One that was named does not exist, or there is none at all.
    """
    existing = find_roles(settings.roles)
    for id_ in ids:
        if id_ not in existing:
            raise FolderError(f"roles/{id_}", "there is no such role", nearest(id_, existing))
    if not existing:
        raise FolderError(str(settings.roles), "there is no role", "make one: role new ID")
    roles = (_sound(settings, id_) for id_ in sorted(set(ids)) or existing)
    return [role for role in roles if role is not None]


def one(settings: Settings, id: str) -> Role:
    """The role that was named.

    Raises:
        FolderError: It does not exist, or its first fault.
    """
    existing = find_roles(settings.roles)
    if id not in existing:
        raise FolderError(f"roles/{id}", "there is no such role", nearest(id, existing))
    return read_role(settings.roles / id, settings.models)


def all_rooms(settings: Settings) -> list[RoomFile]:
    """Every room whose file can be read."""
    found = []
    for id_ in find_rooms(settings.rooms):
        try:
            found.append(read_room(settings.rooms / f"{id_}.toml"))
        except FolderError as error:
            say(f"error: {error}")
    return found


def _sound(settings: Settings, id: str) -> Role | None:
    try:
        return read_role(settings.roles / id, settings.models)
    except FolderError as error:
        say(f"error: {error}")
        return None
