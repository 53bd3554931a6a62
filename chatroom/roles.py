"""Role folders: roles/<id>/role.toml, persona.md, lines.jsonl and a model → a checked, frozen Role.

Every fault is a FolderError with file, key and remedy; a broken folder is named and keeps nobody else from the table.
Nothing is loaded: weights are checked by their headers. It knows no room and no engine.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import msgspec

from chatroom.errors import FolderError
from chatroom.messages import Adapter, Noun, Sampling
from chatroom.names import name_fault, name_key
from chatroom.role_files import Faults, Folder, check_entries, fingerprint
from chatroom.role_lines import check_lines
from chatroom.role_toml import ModelTable, RoleToml
from chatroom.settings import parse_address
from chatroom.toml_table import parse_toml, read_table
from chatroom.weights import check_base_digest, check_weights, read_adapter, read_provenance
from chatroom.words import file_for, words

__all__ = ["Role", "check_role", "find_roles", "fingerprint", "read_role", "remarks", "same_names"]

ROLE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
INDEX = "index"
"""Folder in which a role folder may carry the indexes made of its documents."""
LARGEST_TOML, LARGEST_TEXT = 256_000, 1_000_000


class Role(Noun, frozen=True, kw_only=True):
    """A role as its folder says. Paths are real ones; "" where there is none.

    Args:
        base: Folder of the base, or a hub id.
        lora: Folder of the ordinary LoRA beside an activated one.
        weights: Folder of own weights, loaded in place of the base.
        layout: None where role.toml does not say.
        ours: Whether adapter or weights (without these: the base) were made by our own workshop.
        base_ours: Whether the base was.
        engine: "" where role.toml does not say.
        address: Of a server that runs already and speaks for it.
        served: The model's name there.
        sources: What it knows, for the package knowledge.
        top_k: How many passages of it, `memory` stretches of what was said long ago and `examples` of its voice it is
            reminded of at a turn.
        words: The words of its language around what it is told.
        fingerprint: Of the folder; compare it with `fingerprint(folder)` to notice an edit.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    language: str = "en"
    about: str = ""
    greeting: str = ""
    persona: str = ""
    base: str
    adapter: Adapter | None = None
    lora: str = ""
    weights: str = ""
    layout: Literal["room", "chat"] | None = None
    ours: bool = False
    base_ours: bool = False
    engine: str = ""
    address: str = ""
    served: str = ""
    quantization: Literal["none", "int4"] = "none"
    sampling: Sampling = Sampling()
    sources: tuple[Path, ...] = ()
    top_k: int = 4
    memory: int = 3
    examples: int = 2
    talkativeness: float = 0.5
    words: Mapping[str, str]
    folder: Path
    fingerprint: str


def find_roles(roles: Path) -> list[str]:
    """Ids of the role folders in a folder, in order."""
    return sorted(path.parent.name for path in roles.glob("*/role.toml"))


def read_role(folder: Path, models: Path) -> Role:
    """Reads and checks a role folder.

    Raises:
        FolderError: The first fault.
    """
    role, faults = _read(folder, models)
    if faults or role is None:
        raise faults[0]
    return role


def check_role(folder: Path, models: Path) -> list[FolderError]:
    """Every fault of a role folder, also those that only training would meet."""
    faults = _read(folder, models)[1]
    with faults.kept():
        check_lines(_opened(folder), faults)
    return list({str(fault): fault for fault in faults}.values())


def remarks(role: Role) -> list[str]:
    """What is worth knowing about a role although it is no fault."""
    found = []
    if file_for(role.language).split("-")[0] != role.language.lower().replace("_", "-").split("-")[0]:
        found.append(f"there are no words for the language {role.language!r}; the English ones are used")
    if not role.persona:
        found.append("it has no persona.md; a few sentences there tell the model who it is")
    if role.address:
        found.append(f"a server speaks for it: what is said in its rooms goes to {role.address}")
    return found


def same_names(roles: Iterable[Role]) -> list[FolderError]:
    """A fault for every two roles that a reader could not tell apart."""
    return [
        FolderError(
            f"roles/{other.id}/role.toml",
            f"the role {one.id!r} is called {one.name!r} too",
            "give one of them another name",
            key="name",
        )
        for one, other in combinations(roles, 2)
        if name_key(one.name) == name_key(other.name)
    ]


def _opened(folder: Path) -> Folder:
    return Folder.at(folder, f"roles/{folder.name}")


def _read(folder: Path, models: Path) -> tuple[Role | None, Faults]:
    faults = Faults()
    with faults.kept():
        try:
            mark = fingerprint(folder)
            opened = _opened(folder)
            role = _Reading(opened, models, faults).role(folder, mark)
            check_entries(opened, role.sources)
            return role, faults
        except OSError as error:  # not ours to read, or it went away while we did
            where, problem = f"roles/{folder.name}", f"it can't be read: {error.strerror}"
            raise FolderError(where, problem, "check its files and their permissions") from error
    return None, faults


class _Reading:
    """One reading of a folder: what it finds wrong goes to `faults`, and it reads on."""

    def __init__(self, folder: Folder, models: Path, faults: Faults) -> None:
        self._folder, self._models, self._faults = folder, models, faults

    def role(self, folder: Path, mark: str) -> Role:
        toml = self._toml()
        if not ROLE_ID.fullmatch(folder.name):
            self._fault("", f"a folder can't be called {folder.name!r}", "use a-z, 0-9, - and _")
        self._check_names(toml)
        model = self._model(toml.model)
        return Role(
            id=folder.name,
            **{key: getattr(toml, key) for key in ("name", "aliases", "language", "about", "greeting")},
            persona=self._persona(),
            **model,
            sampling=Sampling(**msgspec.structs.asdict(toml.sampling)),
            sources=self._sources(toml.knowledge.sources),
            top_k=toml.knowledge.top_k,
            memory=toml.knowledge.memory,
            examples=toml.knowledge.examples,
            talkativeness=toml.turns.talkativeness,
            words=words(toml.language),
            folder=folder,
            fingerprint=mark,
        )

    def _fault(self, key: str, problem: str, remedy: str) -> None:
        self._faults.append(self._folder.fault("role.toml", problem, remedy, key=key))

    def _toml(self) -> RoleToml:
        data = self._folder.read("role.toml", LARGEST_TOML)
        try:
            table = parse_toml(data)
        except ValueError as error:
            raise self._folder.fault("role.toml", str(error), "correct it there") from None
        toml, found = read_table(RoleToml, table)
        for fault in found:
            self._fault(*fault)
        return toml

    def _check_names(self, toml: RoleToml) -> None:
        told = any(fault.key == "name" for fault in self._faults)
        if not told and (problem := name_fault(toml.name)):
            self._fault("name", f"the name {problem}", "give it a name that can be read and typed")
        for alias in toml.aliases:
            if problem := name_fault(alias):
                self._fault("aliases", f"{alias[:40]!r} {problem}", "correct it or take it out")
        if len(toml.about.splitlines()) > 1:
            self._fault("about", "it has more than one line", "say it in one")

    def _persona(self) -> str:
        with self._faults.kept():
            return self._folder.text("persona.md", LARGEST_TEXT).strip() if self._folder.has("persona.md") else ""
        return ""

    def _sources(self, names: Iterable[str]) -> tuple[Path, ...]:
        paths = []
        for name in names:
            try:
                paths.append(self._apart(name, self._folder.documents(name)))
            except ValueError as error:
                self._fault("knowledge.sources", str(error), "name a file or folder in the role folder")
        return tuple(paths)

    def _apart(self, name: str, path: Path) -> Path:
        """Refuses a folder of documents that would hold the indexes made of them."""
        if path == self._folder.path or path.is_relative_to(self._folder.path / INDEX):
            raise ValueError(f"{name!r} holds more than documents")
        return path

    # --- what it speaks with -----------------------------------------------------------------------------------------

    def _model(self, table: ModelTable) -> dict[str, Any]:
        """The fields of a Role that [model] decides."""
        if table.weights and (table.adapter or table.lora):
            self._fault("model.weights", "own weights and an adapter exclude each other", "keep one of them")
        base = self._base(table.base) if not table.weights else None
        weights = self._part("model.weights", table.weights)
        source = weights or base
        if source:
            check_weights(source, self._faults)
        adapter, made = self._adapter("model.adapter", table.adapter, base)
        twin, _ = self._adapter("model.lora", table.lora, base)
        source_ours = self._ours(source) if source else False
        return {
            "base": str(base.path) if base else table.base,
            "adapter": adapter,
            "lora": twin.path if twin else "",
            "weights": str(weights.path) if weights else "",
            "ours": made if table.adapter else source_ours,
            "base_ours": source_ours,
            "layout": table.layout,
            "engine": table.engine,
            "address": self._address(table.address),
            "served": table.served.strip(),
            "quantization": table.quantization,
        }

    def _address(self, text: str) -> str:
        try:
            return parse_address(text) if text else ""
        except ValueError as error:
            self._fault("model.address", str(error), "correct it or take it out")
        return ""

    def _base(self, name: str) -> Folder | None:
        """The base's folder; None for a hub id, which only an engine can look up."""
        here = name.split("/")[0] in ("models", ".", "..") or (self._folder.path / name).exists()
        return None if HUB_ID.fullmatch(name) and not here else self._part("model.base", name)

    def _part(self, key: str, name: str | None) -> Folder | None:
        """A folder that role.toml names: in the role folder, or in models/."""
        if name is None:
            return None
        first, _, rest = name.partition("/")
        try:
            return Folder.at(self._models, "models").sub(rest) if first == "models" else self._folder.sub(name)
        except FolderError as error:
            self._faults.append(error)
        except ValueError as error:
            self._fault(key, str(error), "name a folder in the role folder, or models/NAME")
        return None

    def _adapter(self, key: str, name: str | None, base: Folder | None) -> tuple[Adapter | None, bool]:
        """An adapter, and whether it was made by our own workshop."""
        folder = self._part(key, name)
        if folder is None:
            return None, False
        adapter, ours = read_adapter(folder, self._faults), False
        with self._faults.kept():
            made = read_provenance(folder)
            ours = made.ours
            if ours and base:
                check_base_digest(folder, made, base)
        if key == "model.lora" and adapter and adapter.invocation:
            self._fault(key, "it is an activated LoRA", "the twin must be an ordinary one")
        return adapter, ours

    def _ours(self, folder: Folder) -> bool:
        with self._faults.kept():
            return read_provenance(folder).ours
        return False
