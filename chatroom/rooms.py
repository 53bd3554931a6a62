"""Room files: rooms/<id>.toml says what the place is, who sits there and who speaks next.

Reads, checks and writes them; `add_role` changes the one line that must change and leaves the user's comments alone.
It knows no log and no engine; which roles and policies exist is handed in.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chatroom.errors import FolderError
from chatroom.role_files import Folder
from chatroom.role_toml import Inside
from chatroom.roles import ROLE_ID
from chatroom.toml_table import nearest, parse_toml, read_table, rewrite, table_in

LARGEST = 256_000
ROOM_ID = ROLE_ID

_FOUND = {"id", "folder", "documents"}
"""What is not read from the file but from where it lies."""
_ROLES = re.compile(r"""^roles[ \t]*=[ \t]*\[(?P<items>(?:"[^"\n]*"|'[^'\n]*'|\#[^\n]*|[\s,])*)\]""", re.MULTILINE)
_ITEM = re.compile(r""""[^"\n]*"|'[^'\n]*'|\#[^\n]*""")


class RoomFile(msgspec.Struct, frozen=True, kw_only=True):
    """A room as its file says."""

    id: str = ""
    """The file's name without `.toml`; it can't be set."""
    name: Annotated[str, Meta(max_length=80)] = ""
    """What the room is called; its id if it is not set."""
    premise: Annotated[str, Meta(max_length=8000)] = ""
    """The place and what goes on there: opens every prompt, and never changes while the room lives."""
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")] = "en"
    """Language of the lines that say who comes and goes."""
    roles: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Ids of the roles that sit there at first."""
    turns: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "director"
    """Who speaks next: a plug-in of chatroom/turns."""
    absence: Literal["told", "unheard"] = "told"
    """Whether a role that comes late knows what was said before."""
    sources: Annotated[tuple[Inside, ...], Meta(max_length=32)] = ()
    """Folders or files beside this file: what everybody who sits here knows."""
    turns_without_person: Annotated[int, Meta(ge=1, le=100)] | None = None
    """How many turns roles may take on their own; not set: as the settings say."""
    folder: Path | None = None
    """Where the file lies; it can't be set."""
    documents: tuple[Path, ...] = ()
    """`sources`, found there; it can't be set."""


def find_rooms(rooms: Path) -> list[str]:
    """Ids of the room files in a folder, in order."""
    return sorted(path.stem for path in rooms.glob("*.toml"))


def read_room(path: Path) -> RoomFile:
    """Reads a room file.

    Raises:
        FolderError: The first fault. Roles that do not exist are none here: the room opens with the rest.
    """
    room, faults = _read(path)
    if faults:
        raise faults[0]
    return room


def check_room(path: Path, *, roles: Collection[str], policies: Collection[str]) -> list[FolderError]:
    """Every fault of a room file, given the roles and turn policies that there are."""
    try:
        room, faults = _read(path)
    except FolderError as error:
        return [error]
    label = _label(path)
    for role in room.roles:
        if role not in roles:
            faults.append(FolderError(label, f"there is no role {role!r}", nearest(role, roles), key="roles"))
    if room.turns not in policies:
        problem = f"there is no turn policy {room.turns!r}"
        faults.append(FolderError(label, problem, nearest(room.turns, policies), key="turns"))
    return faults


def write_room(
    rooms: Path, id: str, roles: Collection[str], *, name: str = "", premise: str = "", turns: str = "director"
) -> Path:
    """Writes a new room file; never over an existing one."""
    path = rooms / f"{id}.toml"
    if not ROOM_ID.fullmatch(id):
        raise FolderError(_label(path), f"a room can't be called {id!r}", "use a-z, 0-9, - and _")
    text = _TEMPLATE.format(
        name=_quoted(name or id.replace("-", " ").replace("_", " ").title()),
        premise=_quoted(premise),
        roles=", ".join(map(_quoted, roles)),
        turns=_quoted(turns),
    )
    rooms.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FolderError(_label(path), "there is such a room already", "choose another id or edit the file") from None
    except OSError as error:
        raise FolderError(_label(path), f"it can't be written: {error.strerror}", "check the folder") from None
    return path


def add_role(path: Path, role: str) -> bool:
    """Seats a role by changing the `roles` line; everything else stays as it is. False if it sits there already."""
    room = read_room(path)
    if role in room.roles:
        return False
    text = path.read_bytes().decode("utf-8-sig")
    changed = _with_role(text, role)
    if not changed or table_in(changed) != {**table_in(text), "roles": [*room.roles, role]}:
        remedy = f'add {role!r} to its roles by hand, as roles = ["one", "two"]'
        raise FolderError(_label(path), "this file's list of roles can't be changed safely", remedy, key="roles")
    _replace(path, changed)
    return True


def _with_role(text: str, role: str) -> str:
    """The text with one more item in `roles = [...]`; "" where that list is not written in a way that is known."""
    found = _ROLES.search(text)
    if found is None:
        return "" if re.search(r"^roles\b", text, re.MULTILINE) else f"roles = [{_quoted(role)}]\n{text}"
    items = found["items"]
    strings = [match.end() for match in _ITEM.finditer(items) if items[match.start()] != "#"]
    end = strings[-1] if strings else 0
    rest = items[end:]
    comma = "," if strings and "," not in _ITEM.sub("", rest) else ""
    head = text[: found.start("items")] + items[:end] + comma
    if "\n" in items:
        added = f"{rest.rstrip()}\n    {_quoted(role)},\n"
    else:
        added = f"{rest.rstrip()}{' ' if strings else ''}{_quoted(role)}"
    return head + added + text[found.end("items") :]


def _read(path: Path) -> tuple[RoomFile, list[FolderError]]:
    folder = Folder.at(path.parent, path.absolute().parent.name)
    try:
        table = parse_toml(folder.read(path.name, LARGEST))
    except ValueError as error:
        raise FolderError(_label(path), str(error), "correct it there") from None
    faults = []
    for key in _FOUND & table.keys():
        faults.append(FolderError(_label(path), f"the {key} can't be set", "rename or move the file instead", key=key))
    room, found = read_table(RoomFile, {key: value for key, value in table.items() if key not in _FOUND})
    documents = []
    for name in room.sources:
        try:
            documents.append(folder.documents(name))
        except ValueError as error:
            remedy = "name a file or folder beside this file"
            faults.append(FolderError(_label(path), str(error), remedy, key="sources"))
    faults += [FolderError(_label(path), problem, remedy, key=key) for key, problem, remedy in found]
    faults += [FolderError(_label(path), *fault) for fault in _problems(path.stem, room)]
    there = {"folder": folder.path, "documents": tuple(documents)}
    return msgspec.structs.replace(room, id=path.stem, name=room.name or path.stem, **there), faults


def _problems(id: str, room: RoomFile) -> list[tuple[str, str]]:
    """Problem and remedy of what a type can't say."""
    found = []
    if not ROOM_ID.fullmatch(id):
        found.append((f"a room can't be called {id!r}", "use a-z, 0-9, - and _"))
    if not room.name.isprintable():
        found.append(("the name has invisible characters", "take them out"))
    if "\0" in room.premise:
        found.append(("the premise has a NUL character", "take it out"))
    for role in dict.fromkeys(room.roles):
        if not ROLE_ID.fullmatch(role):
            found.append((f"{role[:40]!r} is no id of a role", "name the role's folder"))
        if room.roles.count(role) > 1:
            found.append((f"{role!r} sits there twice", "name it once"))
    return found


def _replace(path: Path, text: str) -> None:
    try:
        rewrite(path, text)
    except OSError as error:
        raise FolderError(_label(path), f"it can't be written: {error.strerror}", "check the folder") from None


def _quoted(text: str) -> str:
    """A TOML string: JSON's, except that TOML wants DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _label(path: Path) -> str:
    return f"{path.absolute().parent.name}/{path.name}"


_TEMPLATE = """\
# A room. Whoever sits here hears every word; `python launch.py room ID` opens it.

name = {name}

# The place, the time, what is going on: a few sentences, in the language that is spoken here.
premise = {premise}

# Folders in roles/ of those who sit here.
roles = [{roles}]

# Who speaks next: director asks the model; others are lively, addressed, round_robin.
turns = {turns}

# A role that comes late is "told" what was said, or it stays "unheard".
absence = "told"
"""
