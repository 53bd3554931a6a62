"""Base and ordinary LoRA → one folder of weights, for engines that take no adapters: merged, and looked at.

How it is merged is chatroom.merging's; here greedy replies before and after are compared, and nothing else is written
over. It knows no role folder and no command line.
"""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from chatroom import merging
from chatroom.errors import FolderError
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line
from finetune.errors import WorkshopError
from finetune.training.kinds import load_base, with_adapter
from finetune.training.plan import base_digest
from finetune.training.samples import Asked, asked, reply

LENGTH = 24
"""Tokens of a reply that is compared."""
SAID = ("Good evening.", "Who are you?", "What do you think of all this?", "你好，你是谁？", "Tell me a story.")


class Merged(NamedTuple):
    """What became of a merge: how many of the prompts were answered alike, before and after."""

    folder: Path
    alike: int
    asked: int


def merge(base: Path, adapter: Path, out: Path) -> Merged:
    """Merges an adapter into its base; what is in `out` is replaced once all is written.

    Raises:
        WorkshopError: It is an activated LoRA, was trained over another base, or can't be read.
    """
    try:
        _check(base, adapter, out)
        disable_progress_bar()
        prompts, stops = _prompts(base)
        model = with_adapter(load_base(base), adapter)
        before = [reply(model, each, stops, activated=False, longest=LENGTH) for each in prompts]
        _write(base, adapter, out)
    except FolderError as fault:
        raise WorkshopError(fault.file, fault.problem, fault.remedy) from None
    after = [reply(load_base(out).float(), each, stops, activated=False, longest=LENGTH) for each in prompts]
    return Merged(out, sum(one == two for one, two in zip(before, after, strict=True)), len(prompts))


def _check(base: Path, adapter: Path, out: Path) -> None:
    merging.check_mergeable(base, adapter)
    trained_on = merging.read_stamp(adapter).get("base")
    if trained_on and trained_on != base_digest(base):
        raise WorkshopError(str(adapter), f"it was trained on another base than {base}", "name the base it belongs to")
    for taken in (base, adapter):
        if taken.resolve() == out.resolve() or taken.resolve().is_relative_to(out.resolve()):
            raise WorkshopError(str(out), f"it holds {taken}, which is being read", "name another folder with --out")
    if out.exists() and not _may_be_replaced(out):
        raise WorkshopError(str(out), "there is something else at this place", "name an empty folder with --out")


def _may_be_replaced(out: Path) -> bool:
    """Whether a folder is empty, or what a merge wrote: another base has a config.json too, and is nobody's to lose."""
    if not out.is_dir():
        return False
    return not any(out.iterdir()) or "merged" in merging.read_stamp(out)


def _prompts(base: Path) -> tuple[list[Asked], frozenset[int]]:
    renderer = Renderer.of(base, context=512)
    moments = [Moment(heard=(Line(name="Ann", text=text),), name="Lea", reply="") for text in SAID]
    return asked(moments, renderer), renderer.template.stop_ids


def _write(base: Path, adapter: Path, out: Path) -> None:
    """Writes beside and renames, so that nobody reads half of it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
            folder = Path(beside) / "merged"
            merging.merge(base, adapter, folder)
            shutil.rmtree(out, ignore_errors=True)
            folder.rename(out)
    except (OSError, SafetensorError) as error:
        problem = f"it can't be written: {getattr(error, 'strerror', None) or error}"
        raise WorkshopError(str(out), problem, "check the disk") from None
