"""Base and ordinary LoRA → one folder of weights, for engines that take no adapters.

An activated LoRA is refused: it acts from its invocation on, and merged it would act everywhere. Greedy replies before
and after are compared. It knows no role folder and no command line.
"""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import torch
from peft import PeftConfig
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line
from finetune.errors import WorkshopError
from finetune.training.kinds import load_base, with_adapter
from finetune.training.plan import base_digest
from finetune.training.samples import Asked, asked, reply

LENGTH = 24
"""Tokens of a reply that is compared."""
COPIED = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "vocab.json",
          "merges.txt", "added_tokens.json", "chat_template.jinja", "generation_config.json")  # fmt: skip
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
    _check(base, adapter, out)
    disable_progress_bar()
    dtype, prompts, stops = _dtype(base), *_prompts(base)
    model = with_adapter(load_base(base), adapter)
    before = [reply(model, each, stops, activated=False, longest=LENGTH) for each in prompts]
    merged = cast(PreTrainedModel, model.merge_and_unload()).to(dtype)
    _write(merged, base, adapter, out)
    after = [reply(load_base(out).float(), each, stops, activated=False, longest=LENGTH) for each in prompts]
    return Merged(out, sum(one == two for one, two in zip(before, after, strict=True)), len(prompts))


def _check(base: Path, adapter: Path, out: Path) -> None:
    try:
        config = PeftConfig.from_pretrained(str(adapter), local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WorkshopError(str(adapter), f"there is no adapter that can be read: {error}", "train one first") from None
    if getattr(config, "alora_invocation_tokens", None):
        problem = "it is an activated LoRA: it acts from its invocation on, and merged it would act everywhere"
        raise WorkshopError(str(adapter), problem, "merge its ordinary twin: finetune ROLE --kind both")
    trained_on = _stamp(adapter).get("base")
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
    return not any(out.iterdir()) or ((out / "provenance.json").is_file() and "merged" in _stamp(out))


def _prompts(base: Path) -> tuple[list[Asked], frozenset[int]]:
    renderer = Renderer.of(base, context=512)
    moments = [Moment(heard=(Line(name="Ann", text=text),), name="Lea", reply="") for text in SAID]
    return asked(moments, renderer), renderer.template.stop_ids


def _dtype(base: Path) -> torch.dtype:
    """The precision that the base is stored in."""
    table = msgspec.json.decode((base / "config.json").read_bytes(), type=dict[str, object])
    named = getattr(torch, str(table.get("dtype") or table.get("torch_dtype") or "float32"), torch.float32)
    return named if isinstance(named, torch.dtype) else torch.float32


def _write(model: PreTrainedModel, base: Path, adapter: Path, out: Path) -> None:
    """Writes beside and renames, so that nobody reads half of it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
            folder = Path(beside) / "merged"
            model.save_pretrained(folder, safe_serialization=True)
            for name in COPIED:
                if (base / name).is_file():
                    shutil.copyfile(base / name, folder / name)
            _write_stamp(folder, base, adapter)
            shutil.rmtree(out, ignore_errors=True)
            folder.rename(out)
    except (OSError, SafetensorError) as error:
        problem = f"it can't be written: {getattr(error, 'strerror', None) or error}"
        raise WorkshopError(str(out), problem, "check the disk") from None


def _write_stamp(folder: Path, base: Path, adapter: Path) -> None:
    """The base's own stamp says how it is spoken to; what the adapter was trained from stands beside it."""
    stamp = _stamp(base) | {"merged": _stamp(adapter)}
    (folder / "provenance.json").write_bytes(msgspec.json.format(msgspec.json.encode(stamp), indent=2) + b"\n")


def _stamp(folder: Path) -> dict[str, object]:
    try:
        return msgspec.json.decode((folder / "provenance.json").read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise WorkshopError(str(folder / "provenance.json"), f"it can't be read: {error}", "train it again") from None
