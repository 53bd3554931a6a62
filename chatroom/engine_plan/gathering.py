"""From role folders to wishes: what each role wants of the machine, with sizes read by measure.py.

The pool and `engines plan` ask the same questions here, so that what is shown is what is done. Blocks while it reads
headers; digests of weights are read only where an int4 proof lies beside them. Knows no plan and no engine that runs.
"""

import shutil
from pathlib import Path

from msgspec.structs import replace

from chatroom import plugins
from chatroom.engine_plan.measure import measure_adapter, measure_weights
from chatroom.engine_plan.sizes import Weights
from chatroom.engine_plan.wishes import EMBEDDED, LORA, TURBOMIND, Kind, Wish
from chatroom.errors import FolderError
from chatroom.int4_proof import EMBEDDED as PACKED_HERE
from chatroom.int4_proof import FOLDER, place, proven
from chatroom.roles import Role
from chatroom.settings import Settings
from chatroom.toml_table import nearest

HERE = (EMBEDDED, TURBOMIND, LORA)
"""Engines that hold weights on this machine."""


def named_engine(settings: Settings, role: Role) -> str:
    """The engine that role.toml or the settings name for it; "" leaves the choice to the plan."""
    by_settings = "engine" in settings.sources or settings.engine != EMBEDDED
    return role.engine or (settings.engine if by_settings else "")


def speaks_elsewhere(settings: Settings, role: Role) -> bool:
    """Whether somebody else's server, or an engine without weights, speaks for it."""
    return bool(role.address) or named_engine(settings, role) not in ("", *HERE)


def without_lmdeploy(settings: Settings) -> str:
    """Why LMDeploy's engines can't be started on this machine; "" if they can."""
    command = settings.lmdeploy[0]
    if shutil.which(command):
        return ""
    return f"there is no command {command!r}: set `lmdeploy` to the one of LMDeploy's own environment"


def wish_of(settings: Settings, role: Role, rooms: tuple[str, ...] = (), *, unfit: str = "") -> Wish:
    """What one role wants.

    Args:
        unfit: Why no engine of LMDeploy runs on the machine that is planned for.

    Raises:
        FolderError: Naming the file that can't be read or measured.
    """
    engine, kind, there = named_engine(settings, role), _kind(role), speaks_elsewhere(settings, role)
    _check_engine(role, engine)
    adapter, problem = _adapter(role, role.adapter.path if role.adapter and not there else "")
    lora, problem_of_twin = _adapter(role, "" if there else role.lora)
    return Wish(
        role=role.id,
        weights=_nothing(role) if there else _weights(settings, role, unfit),
        kind=kind,
        engine=engine,
        int4=role.quantization == "int4",
        context=settings.context,
        rooms=rooms,
        adapter=adapter,
        lora=lora,
        unfit=problem_of_twin if kind == "twin" else problem,
        merged="" if there else _proven_merged(settings, role, kind),
        elsewhere=f"a server that runs already speaks for it: {role.address}" if role.address else "",
    )


def fallback_of(settings: Settings, name: str, *, key: str, unfit: str = "") -> Weights:
    """The sizes of the base that speaks for roles whose own engine can't.

    Args:
        key: Where it was named, as `--fallback`.

    Raises:
        FolderError: It is no base of this machine, or can't be measured.
    """
    path = (settings.models / name.removeprefix("models/")).resolve()
    if not name.startswith("models/") or not path.is_relative_to(settings.models.resolve()) or not path.is_dir():
        raise FolderError(f"{key} {name}", "there is no such base", "name one as models/NAME")
    return _measured(settings, path, "", unfit)


def int4_name(weights: Weights) -> str:
    """The name under which int4 of these weights lies: `models/NAME` of a base, `roles/ID` of what is a role's own."""
    return "/".join(weights.name.split("/")[:2]) if weights.name.startswith("roles/") else weights.name


def _kind(role: Role) -> Kind:
    if role.weights:
        return "own"
    if role.adapter is None:
        return "none"
    if not role.adapter.invocation:
        return "lora"
    return "twin" if role.lora else "alora"


def _check_engine(role: Role, engine: str) -> None:
    known = sorted({*plugins.names("chatroom.engines"), *HERE})
    if engine and engine not in known:
        where = f"roles/{role.id}/role.toml"
        raise FolderError(where, f"there is no engine {engine!r}", nearest(engine, known), key="model.engine")


def _adapter(role: Role, path: str) -> tuple[int, str]:
    """Bytes of an adapter, and what the PyTorch engine would get wrong in it; nothing where there is none."""
    return measure_adapter(Path(path), f"roles/{role.id}/{Path(path).name}") if path else (0, "")


def _weights(settings: Settings, role: Role, unfit: str) -> Weights:
    """The sizes of what it speaks with: its own weights, or its base."""
    path = Path(role.weights or role.base)
    if not path.is_dir():
        problem = f"{role.base!r} is no folder of this machine, and its size can't be read"
        remedy = 'put its files into models/NAME and write base = "models/NAME"'
        raise FolderError(f"roles/{role.id}/role.toml", problem, remedy, key="model.base")
    return _measured(settings, path, role.id, unfit)


def _measured(settings: Settings, path: Path, role: str, unfit: str) -> Weights:
    """The sizes of a folder of weights, under the name that a user gives it."""
    models = settings.models.resolve()
    own = not path.is_relative_to(models)
    name = f"roles/{role}/{path.name}" if own else f"models/{path.relative_to(models).as_posix()}"
    method = _proven(settings, f"roles/{role}" if own else name, path)
    found = measure_weights(path, name, proven=method)
    return replace(found, unfit=unfit or found.unfit, packs=_packs_here(settings, found))


def _proven(settings: Settings, name: str, *source: Path) -> str:
    """The method of int4 weights for LMDeploy that passed the gate, and whose source is as it was; "" without."""
    method = proven(place(settings.home, name), f"{FOLDER}/{name}", *source)
    return "" if method == PACKED_HERE else method


def _packs_here(settings: Settings, weights: Weights) -> bool:
    """Whether the gate let these weights pass as the embedded engine packs them."""
    name = int4_name(weights)
    label = f"{FOLDER}/{PACKED_HERE}/{name}"
    return proven(place(settings.home, name, embedded=True), label, Path(weights.id)) == PACKED_HERE


def _proven_merged(settings: Settings, role: Role, kind: Kind) -> str:
    """The method of int4 weights of its LoRA merged into its base; "" without."""
    if kind not in ("lora", "twin") or role.adapter is None:
        return ""
    lora = role.lora if kind == "twin" else role.adapter.path
    return _proven(settings, f"roles/{role.id}", Path(role.base), Path(lora))


def _nothing(role: Role) -> Weights:
    """Stands for weights that others hold."""
    return Weights(id=role.weights or role.base, name=role.base, half=0, int4=0, kv=0, context=1)
