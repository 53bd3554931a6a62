"""The roles as their folders are at this moment: an edited folder is taken up at its next turn.

A broken folder keeps nobody else from speaking; it is read again whenever its role is asked for, since what is wrong
may lie elsewhere, as in a base that is missing. Knows no room and no engine.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from chatroom.errors import FolderError
from chatroom.messages import SeatedRole, Speaker
from chatroom.roles import ROLE_ID, Role, find_roles, fingerprint, read_role

QUICK, SELDOM = 0.02, 30.0
"""Seconds up to which a look through a folder is quick; a slow one is not repeated for so many times its duration."""


class Cast:
    """Reads role folders when they have changed, and only then."""

    def __init__(self, roles: Path, models: Path) -> None:
        self._roles, self._models = roles, models
        self._known: dict[str, Role] = {}
        self._looked: dict[str, tuple[float, str]] = {}

    def role(self, id: str) -> Role:
        """Gives a role as its folder says now.

        Raises:
            FolderError: The folder is broken or gone.
        """
        if not ROLE_ID.fullmatch(id):  # somebody may invite "../elsewhere"
            raise FolderError(f"roles/{id}", "there is no such role", "a role's id has a-z, 0-9, - and _ only")
        role = self._known.get(id)
        if role is None or role.fingerprint != self._fingerprint(id):
            role = self._known[id] = read_role(self._roles / id, self._models)
            self._looked.pop(id, None)
        return role

    def _fingerprint(self, id: str) -> str:
        """A folder of thousands of pages is not looked through at every word: only so often that it costs little."""
        until, mark = self._looked.get(id, (0.0, ""))
        if (started := monotonic()) >= until:
            mark = fingerprint(self._roles / id)
            took = monotonic() - started
            self._looked[id] = started + (SELDOM * took if took > QUICK else 0.0), mark
        return mark

    def fault(self, id: str) -> str:
        """Why a role can't speak; "" if it can."""
        try:
            self.role(id)
        except FolderError as error:
            return str(error)
        return ""

    def seated(self, seats: Iterable[Speaker]) -> list[SeatedRole]:
        """What turn policies know of the roles, by their latest sound folders; a broken one is still called by name."""
        return [self._seated(who) for who in seats]

    def _seated(self, who: Speaker) -> SeatedRole:
        if (role := self._latest(who.id)) is None:
            return SeatedRole(id=who.id, name=who.name)
        return SeatedRole(id=role.id, name=role.name, aliases=role.aliases, talkativeness=role.talkativeness)

    def names(self) -> dict[str, str]:
        """Every name and alias in the folder of roles → the id of its bearer: what no person may be called."""
        ids = find_roles(self._roles)
        taken = {id: id for id in ids}
        for id in ids:
            if (role := self._latest(id)) is not None:
                taken |= {name.casefold(): id for name in (role.name, *role.aliases)}
        return taken

    def _latest(self, id: str) -> Role | None:
        """The role as its folder says, or said when it was last in order."""
        with suppress(FolderError):
            return self.role(id)
        return self._known.get(id)


def speaker(role: Role) -> Speaker:
    """The role as others see it."""
    return Speaker(id=role.id, name=role.name, kind="role")
