"""The role that a dataset is for: what it is called in the material, and how it is asked at the table.

It knows no folders; whoever has a role folder makes one of these from it.
"""

from functools import cached_property
from typing import Literal

import msgspec

from chatroom.names import name_key


class RoleSpec(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A role as a dataset needs it.

    Args:
        name: What it is called at the table; its lines get this name.
        also: Further names that its lines have in the material.
        persona: As it stands in the tail.
        language: Of the words around what it is told.
        premise: For scenes that say nothing of where and when they take place.
        layout: How it is asked.
    """

    id: str
    name: str
    also: tuple[str, ...] = ()
    persona: str = ""
    language: str = "en"
    premise: str = ""
    layout: Literal["room", "chat"] = "room"

    def is_called(self, name: str) -> bool:
        """Whether a name in the material means this role; width, case and spaces do not count."""
        return name in self._names or name_key(name) in self._keys

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset((self.name, *self.also))

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(map(name_key, self._names))
