"""What the pool has read of each role's files, kept until they change: headers are not read at every plan.

Reading blocks, so it happens in a thread. A role whose files can't be measured is remembered as that: its engine will
say what is wrong. Knows no plan.
"""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from chatroom.engine_plan import Wish
from chatroom.engine_plan.gathering import fallback_of, wish_of, without_lmdeploy
from chatroom.errors import FolderError
from chatroom.messages import Adapter
from chatroom.roles import Role, fingerprint
from chatroom.settings import Settings

log = logging.getLogger("chatroom.engine_pool")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a role speaks with; equal as long as that stays the same, whatever else of the role is edited.

    Args:
        wish: What it wants of the machine; None if its files can't be measured.
        mark: Of its weights; it changes with a file of theirs.
        lora: The ordinary LoRA that LMDeploy's engines can speak with, merged or beside the base; None without.
        problem: Why its files can't be measured.
        size: Bytes of its safetensors, for one that can't be measured.
        fallback_mark: Of the weights of the wish's fallback.
    """

    wish: Wish | None
    mark: str
    lora: Adapter | None = None
    problem: str = ""
    size: int = 0
    fallback_mark: str = ""


class Measured:
    """Reads sizes, and remembers them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, tuple[tuple[str, ...], Model]] = {}
        self._fallback: Model | None = None

    async def read(self, roles: Iterable[Role]) -> dict[str, Model]:
        """What each of these roles speaks with, by id."""
        return await asyncio.to_thread(self._read, list(roles))

    async def fallback(self) -> Model | None:
        """The fallback base of the settings, read once; None where none is set, or it can't be read."""
        if self._fallback is None and self._settings.fallback:
            self._fallback = await asyncio.to_thread(self._read_fallback, self._settings.fallback)
        return self._fallback

    def _read(self, roles: list[Role]) -> dict[str, Model]:
        unfit = without_lmdeploy(self._settings)
        for role in roles:
            marks = _marks(role)
            if role.id not in self._known or self._known[role.id][0] != marks:
                self._known[role.id] = marks, self._model(role, unfit)
        return {role.id: self._known[role.id][1] for role in roles}

    def _model(self, role: Role, unfit: str) -> Model:
        mark = fingerprint(Path(role.weights or role.base))
        try:
            wish = wish_of(self._settings, role, unfit=unfit)
        except FolderError as error:
            log.warning("how much memory %s needs can't be known: %s", role.id, error)
            size = sum(file.stat().st_size for file in Path(role.weights or role.base).glob("*.safetensors"))
            return Model(wish=None, mark=mark, problem=str(error), size=size)
        return Model(wish=wish, mark=mark, lora=_lora(role, wish))

    def _read_fallback(self, name: str) -> Model | None:
        try:
            base = fallback_of(self._settings, name, key="fallback", unfit=without_lmdeploy(self._settings))
        except FolderError as error:
            log.error("there is no fallback: %s", error)
            return None
        wish = Wish(role="", weights=base, context=self._settings.context)
        return Model(wish=wish, mark=fingerprint(Path(base.id)))


def _lora(role: Role, wish: Wish) -> Adapter | None:
    if wish.kind == "twin":
        return Adapter(path=role.lora, fingerprint=fingerprint(Path(role.lora)))
    return role.adapter if wish.kind == "lora" else None


def _marks(role: Role) -> tuple[str, ...]:
    """Changes with the role's folder, and with its weights where these lie elsewhere."""
    return role.fingerprint, str(role.folder), fingerprint(Path(role.weights)) if role.weights else ""
