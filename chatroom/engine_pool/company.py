"""Who sits in which open room, and who spoke when: what a plan is made for. Knows no engine and no memory.

Roles are known by their folders as they were last handed in. One that was asked outside of any room is known too.
"""

from collections.abc import Iterable, Sequence

from chatroom.roles import Role


class Company:
    """All roles that may speak.

    Attributes:
        stale: Whether a plan made before is out of date.
    """

    def __init__(self) -> None:
        self.stale = True
        self._roles: dict[str, Role] = {}
        self._rooms: dict[str, tuple[str, ...]] = {}
        self._spoke: dict[str, int] = {}
        self._clock = 0

    @property
    def roles(self) -> list[Role]:
        """Everybody, in the order in which they came."""
        return list(self._roles.values())

    def sit(self, room: str, roles: Iterable[Role], spoken: Sequence[str] = ()) -> None:
        """These sit in a room from now on.

        Args:
            spoken: Ids of those who spoke there, who spoke last comes last; only what is not known yet is taken.
        """
        seated = list(roles)
        ids = tuple(role.id for role in seated)
        for id_ in dict.fromkeys(id_ for id_ in spoken if id_ not in self._spoke):
            self.spoke(id_)
        for role in seated:
            self._roles.setdefault(role.id, role)
        self.stale = self.stale or self._rooms.get(room) != ids
        self._rooms[room] = ids
        self._drop()

    def leave(self, room: str) -> None:
        """A room is closed."""
        if self._rooms.pop(room, None) is not None:
            self.stale = True
            self._drop()

    def meet(self, role: Role) -> None:
        """A role is asked, as its folder is now."""
        self._roles[role.id] = role

    def spoke(self, role: str) -> None:
        """It speaks now."""
        self._clock += 1
        self._spoke[role] = self._clock

    def rooms_of(self, role: str) -> tuple[str, ...]:
        return tuple(room for room, ids in self._rooms.items() if role in ids)

    def when(self, role: str) -> int:
        """When it last spoke; larger is later, 0 is never."""
        return self._spoke.get(role, 0)

    def _drop(self) -> None:
        """Forgets those who sat in rooms only, and sit in none any more."""
        sitting = {id_ for ids in self._rooms.values() for id_ in ids}
        self._roles = {id_: role for id_, role in self._roles.items() if id_ in sitting}
