"""The roles as their folders are at this moment: an edited folder is taken up at its next turn.

A broken folder is remembered with its fault and keeps nobody else from speaking. Knows no room and no engine.
"""

from collections.abc import Iterable
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.messages import SeatedRole, Speaker
from chatroom.roles import Role, fingerprint, read_role


class Cast:
    """Reads role folders when they have changed, and only then."""

    def __init__(self, roles: Path, models: Path) -> None:
        self._roles, self._models = roles, models
        self._known: dict[str, tuple[str, Role | FolderError]] = {}

    def role(self, id: str) -> Role:
        """Gives a role as its folder says now.

        Raises:
            FolderError: The folder is broken or gone.
        """
        mark = fingerprint(self._roles / id)
        known = self._known.get(id)
        if known is None or known[0] != mark:
            known = self._known[id] = (mark, self._read(id))
        if isinstance(known[1], FolderError):
            raise known[1]
        return known[1]

    def fault(self, id: str) -> str:
        """Why a role can't speak; "" if it can."""
        try:
            self.role(id)
        except FolderError as error:
            return str(error)
        return ""

    def seated(self, ids: Iterable[str]) -> list[SeatedRole]:
        """What turn policies know of those roles that can speak."""
        roles = [self.role(id) for id in ids if not self.fault(id)]
        return [SeatedRole(id=r.id, name=r.name, aliases=r.aliases, talkativeness=r.talkativeness) for r in roles]

    def names(self) -> dict[str, str]:
        """Every name and alias in the folder of roles → the id of its bearer: what no person may be called."""
        taken = {}
        for folder in sorted(self._roles.glob("*/role.toml")):
            id_ = folder.parent.name
            taken[id_.casefold()] = id_
            if not self.fault(id_):
                role = self.role(id_)
                taken |= {name.casefold(): id_ for name in (role.name, *role.aliases)}
        return taken

    def _read(self, id: str) -> Role | FolderError:
        try:
            return read_role(self._roles / id, self._models)
        except FolderError as error:
            return error


def speaker(role: Role) -> Speaker:
    """The role as others see it."""
    return Speaker(id=role.id, name=role.name, kind="role")
