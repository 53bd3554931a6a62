"""A run: what is trained, from what, with which recipe. run.json in the run's folder says it, for every process alike.

A run goes on only where data, base and recipe are what they were; what differs is named. It knows no model.
"""

from pathlib import Path

import msgspec

from finetune.dataset.files import read_dataset
from finetune.errors import WorkshopError
from finetune.provenance import file_sha256
from finetune.training.kinds import Kind
from finetune.training.recipe import Recipe

FILE = "run.json"
CHECKPOINT = "checkpoint-"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What run.json says.

    Args:
        role: Id of the role.
        folder: Its role folder.
        base: Folder of the base.
        base_name: What role.toml is to call the base; "" leaves what it says.
        dataset: Folder of the dataset.
        recipe_file: The recipe's file, for the provenance.
        minutes: After so many it is to end; 0 for no limit.
        data_digest: Of the dataset.
        base_digest: Of the base's weights.
    """

    role: str
    folder: str
    base: str
    base_name: str = ""
    dataset: str
    kind: Kind
    recipe: Recipe
    recipe_file: str = ""
    minutes: float = 0.0
    data_digest: str = ""
    base_digest: str = ""

    def stamped(self) -> "Plan":
        """The plan with the digests of what lies on disk now."""
        about = read_dataset(Path(self.dataset)).about
        return msgspec.structs.replace(self, data_digest=about.digest, base_digest=base_digest(Path(self.base)))


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of a run: result.json, written last.

    Args:
        measured: Whether anything was held out; without that, both losses are 0.
    """

    plan: Plan
    base_loss: float
    loss: float
    epochs: float
    seconds: float
    steps: int = 0
    stopped: str = ""
    measured: bool = True


def base_digest(base: Path) -> str:
    """The sha256 of a base's weights; of its one file, as serving computes it, or of all of its files in order."""
    if not base.is_dir():
        raise WorkshopError(str(base), "there is no such base", "name a folder with --base, as models/hearth")
    files = sorted(base.glob("*.safetensors"))
    if not files:
        raise WorkshopError(str(base), "it has no safetensors weights", "save them as model.safetensors")
    return file_sha256(files)


def check_base(plan: Plan) -> None:
    """Refuses what was trained over weights that were changed meanwhile: they are read from the disk all the time.

    Raises:
        WorkshopError: The base is no longer the one of the plan.
    """
    if base_digest(Path(plan.base)) != plan.base_digest:
        raise WorkshopError(plan.base, "its weights were changed while a role was trained over it", "train --restart")


def write_plan(run: Path, plan: Plan) -> None:
    """Writes run.json.

    Raises:
        WorkshopError: It can't be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_whole(run / FILE, msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    except OSError as error:
        raise WorkshopError(str(run), f"it can't be written: {error.strerror or error}", "check the disk") from None


def write_whole(path: Path, data: bytes) -> None:
    """Writes beside and renames, so that a kill or a full disk never leaves half a file."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)


def read_plan(run: Path) -> Plan:
    """Reads run.json.

    Raises:
        WorkshopError: There is none, or it can't be read.
    """
    try:
        return msgspec.json.decode((run / FILE).read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        remedy = "write one: python launch.py finetune ROLE --prepare"
        raise WorkshopError(str(run / FILE), f"it can't be read: {error}", remedy) from None


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first; one that a kill cut off is none."""
    found = [path for path in run.glob(f"{CHECKPOINT}*") if path.name.removeprefix(CHECKPOINT).isdecimal()]
    whole = [path for path in found if _is_whole(path)]
    return sorted(whole, key=lambda path: int(path.name.removeprefix(CHECKPOINT)))


def _is_whole(checkpoint: Path) -> bool:
    """Whether its last file is there to the end."""
    try:
        msgspec.json.decode((checkpoint / "trainer_state.json").read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError):
        return False
    return True


def changes(before: Plan, now: Plan) -> list[str]:
    """What differs between two plans so that one can't go on where the other stopped."""
    found = [] if before.base_digest == now.base_digest else ["the base"]
    found += [] if before.data_digest == now.data_digest else ["the dataset"]
    found += [] if before.kind == now.kind else ["the kind"]
    found += [] if before.minutes == now.minutes else ["the minutes"]
    for key in Recipe.__struct_fields__:
        was, new = getattr(before.recipe, key), getattr(now.recipe, key)
        found += [] if was == new else [f"{key} ({was} → {new})"]
    return found


def is_same(before: Plan, now: Plan) -> bool:
    """Whether what one plan gave is what the other asks for."""
    named = not now.base_name or now.base_name == before.base_name
    return named and before.folder == now.folder and not changes(before, now)


def check_same(run: Path, now: Plan) -> None:
    """Refuses to go on with a run whose plan was another.

    Raises:
        WorkshopError: It names what changed.
    """
    if not checkpoints(run):
        return
    changed = changes(read_plan(run), now)
    if changed:
        problem = f"a run stopped half-way, and since then this has changed: {', '.join(changed)}"
        raise WorkshopError(str(run), problem, "start anew with --restart")
