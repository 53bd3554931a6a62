"""The roles as their folders are at this moment: an edited folder is taken up at its next turn.

A broken folder keeps nobody else from speaking; it is read again whenever its role is asked for, since what is wrong
may lie elsewhere, as in a base that is missing. Knows no room and no engine.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.messages import SeatedRole, Speaker
from chatroom.roles import ROLE_ID, Role, find_roles, fingerprint, read_role


class Cast:
    """Reads role folders when they have changed, and only then."""

    def __init__(self, roles: Path, models: Path) -> None:
        self._roles, self._models = roles, models
        self._known: dict[str, Role] = {}

    def role(self, id: str) -> Role:
        """Gives a role as its folder says now.

        Raises:
            FolderError: The folder is broken or gone.
        """
        if not ROLE_ID.fullmatch(id):  # somebody may invite "../elsewhere"
            raise FolderError(f"roles/{id}", "there is no such role", "a role's id has a-z, 0-9, - and _ only")
        role = self._known.get(id)
        if role is None or role.fingerprint != fingerprint(self._roles / id):
            role = self._known[id] = read_role(self._roles / id, self._models)
        return role

    def fault(self, id: str) -> str:
        """Why a role can't speak; "" if it can."""
        try:
            self.role(id)
        except FolderError as error:
            return str(error)
        return ""

    def seated(self, ids: Iterable[str]) -> list[SeatedRole]:
        """What turn policies know of those roles that can speak."""
        return [
            SeatedRole(id=role.id, name=role.name, aliases=role.aliases, talkativeness=role.talkativeness)
            for role in self._sound(ids)
        ]

    def names(self) -> dict[str, str]:
        """Every name and alias in the folder of roles → the id of its bearer: what no person may be called."""
        ids = find_roles(self._roles)
        taken = {id: id for id in ids}
        for role in self._sound(ids):
            taken |= {name.casefold(): role.id for name in (role.name, *role.aliases)}
        return taken

    def _sound(self, ids: Iterable[str]) -> Iterator[Role]:
        """Those of the roles whose folders are in order."""
        for id in ids:
            with suppress(FolderError):
                yield self.role(id)


def speaker(role: Role) -> Speaker:
    """The role as others see it."""
    return Speaker(id=role.id, name=role.name, kind="role")
