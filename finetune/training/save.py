"""Finished runs → the role folder: adapter, its twin or own weights, and role.toml, all of it or nothing.

Everything is written beside first, then renamed; what was there is kept aside until role.toml names the new. It
trains nothing.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from chatroom.toml_table import rewrite
from finetune.dataset.files import HELD_OUT, TRAIN, read_dataset
from finetune.dataset.render import is_ours
from finetune.errors import WorkshopError
from finetune.provenance import stamped, write_provenance
from finetune.training.plan import Plan, Result
from finetune.training.role_model import with_model
from finetune.training.run import MODEL, read_result
from finetune.training.scores import perplexity, spread

ADAPTER, TWIN, WEIGHTS = "adapter", "lora", "weights"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "vocab.json",
             "merges.txt", "added_tokens.json", "chat_template.jinja", "generation_config.json")  # fmt: skip


def install(runs: Sequence[Path], seeds: Sequence[Result] = ()) -> list[Path]:
    """Puts finished runs of one role into its folder; gives the folders that are new there.

    Args:
        runs: One of each kind.
        seeds: Results of the same kinds with every seed, for mean and spread.

    Raises:
        WorkshopError: Nothing has been changed.
    """
    results = {places[0]: (run, places[1]) for run, places in _placed(runs)}
    plan = next(iter(results.values()))[1].plan
    role = Path(plan.folder)
    fresh = {name: role / f".{name}.new" for name in results}
    try:
        text = (role / "role.toml").read_text(encoding="utf-8-sig")
        changed = with_model(text, _keys(set(results), plan))
        for name, (run, result) in results.items():
            _write(fresh[name], run, result, seeds)
        return _exchange(role, fresh, changed)
    except (OSError, SafetensorError) as error:
        problem = f"it can't be written: {getattr(error, 'strerror', None) or error}"
        remedy = f"nothing was changed there; then: python launch.py finetune {plan.role} --resume"
        raise WorkshopError(str(role), problem, remedy) from None
    finally:
        for folder in fresh.values():
            shutil.rmtree(folder, ignore_errors=True)


def is_installed(runs: Sequence[Path], seeds: Sequence[Result] = ()) -> bool:
    """Whether a role folder has what `install` would put there: by the stamps in it and what role.toml names."""
    results = {name: result for _, (name, result) in _placed(runs)}
    plan = next(iter(results.values())).plan
    role = Path(plan.folder)
    try:
        text = (role / "role.toml").read_text(encoding="utf-8-sig")
        return with_model(text, _keys(set(results), plan)) == text and all(
            _says(role / name / "provenance.json", result, seeds) for name, result in results.items()
        )
    except (OSError, ValueError, WorkshopError):
        return False


def _says(path: Path, result: Result, seeds: Sequence[Result]) -> bool:
    """Whether a stamp is the one of a result; who made it is not asked, for a full training over others' base."""
    stamp, plan = json.loads(path.read_text(encoding="utf-8")), result.plan
    base = "" if plan.kind == "full" else plan.base_digest
    wanted = stamped(recipe=_recipe(plan), dataset=plan.data_digest, scores=scores(result, seeds), base=base)
    return isinstance(stamp, dict) and {**stamp, "made_by": wanted["made_by"]} == wanted


def check_writable(role: Path) -> None:
    """Sees to it that a role folder can be written: after a training of hours it is too late to tell.

    Raises:
        WorkshopError: It can't.
    """
    try:
        with tempfile.TemporaryFile(dir=role) as probe:
            probe.write(b"?")
    except OSError as error:
        problem = f"it can't be written: {error.strerror or error}"
        raise WorkshopError(str(role), problem, "check its permissions and the disk; nothing was trained") from None


def _recipe(plan: Plan) -> Path:
    return Path(plan.recipe_file or "finetune/recipes/role.toml")


def _placed(runs: Sequence[Path]) -> list[tuple[Path, tuple[str, Result]]]:
    """Where each run goes: an ordinary LoRA beside an activated one is its twin, alone it is the adapter."""
    results = [(run, read_result(run)) for run in runs]
    both = any(result.plan.kind == "alora" for _, result in results)
    names = {"alora": ADAPTER, "full": WEIGHTS, "lora": TWIN if both else ADAPTER, "qlora": TWIN if both else ADAPTER}
    return [(run, (names[result.plan.kind], result)) for run, result in results]


def _keys(names: set[str], plan: Plan) -> dict[str, str | None]:
    """The keys of [model] afterwards; what was trained earlier and does not belong to it is no longer named."""
    keys = {name: name if name in names else None for name in (ADAPTER, TWIN, WEIGHTS)}
    if plan.base_name:
        keys["base"] = plan.base_name
    layout = read_dataset(Path(plan.dataset)).train[0].layout
    if layout == "chat" or (WEIGHTS in names and not is_ours(Path(plan.base))):
        keys["layout"] = layout  # what was trained in one layout is asked in it, whatever is usual for its base
    return keys


def _exchange(role: Path, fresh: dict[str, Path], text: str) -> list[Path]:
    with ExitStack() as undo:
        for name, new in fresh.items():
            here, aside = role / name, role / f".{name}.old"
            shutil.rmtree(aside, ignore_errors=True)
            if here.exists():
                here.rename(aside)
                undo.callback(aside.rename, here)
            new.rename(here)
            undo.callback(shutil.rmtree, here, ignore_errors=True)
        rewrite(role / "role.toml", text)
        undo.pop_all()
    for name in fresh:
        shutil.rmtree(role / f".{name}.old", ignore_errors=True)
    return [role / name for name in fresh]


def scores(result: Result, seeds: Sequence[Result]) -> dict[str, float]:
    """What provenance.json says of how well it learnt."""
    mine = [each.loss for each in seeds if each.plan.kind == result.plan.kind]
    found = {"epochs": result.epochs, "seed": float(result.plan.recipe.seed)}
    if not result.measured:
        return found
    found |= {
        "held_out_loss": round(result.loss, 4),
        "perplexity": round(perplexity(result.loss), 2),
        "perplexity_bare_base": round(perplexity(result.base_loss), 2),
    }
    if len(mine) > 1:
        middle, around = spread([perplexity(loss) for loss in mine])
        found |= {"seeds": float(len(mine)), "perplexity_mean": round(middle, 2), "perplexity_spread": round(around, 2)}
    return found


def _write(folder: Path, run: Path, result: Result, seeds: Sequence[Result]) -> None:
    """Writes a folder as serving reads it, with its provenance."""
    plan = result.plan
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if plan.kind == "full":
        _write_weights(folder, run / MODEL, Path(plan.base))
    else:
        _write_adapter(folder, run / MODEL, plan.base_name or Path(plan.base).name)
    data = Path(plan.dataset)
    base = "" if plan.kind == "full" else plan.base_digest
    write_provenance(
        folder, recipe=_recipe(plan), dataset=[data / TRAIN, data / HELD_OUT], scores=scores(result, seeds), base=base
    )
    if plan.kind == "full" and not is_ours(Path(plan.base)):
        _disown(folder / "provenance.json")


def _disown(path: Path) -> None:
    """A base from elsewhere keeps its own template when all of its weights have learnt: it is not laid out as ours."""
    stamp = json.loads(path.read_text(encoding="utf-8")) | {"made_by": "chatroom, over a base from elsewhere"}
    path.write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")


def _write_adapter(folder: Path, trained: Path, base: str) -> None:
    """Halves the precision, as serving needs no more, and takes out what is only true on this machine."""
    weights = load_file(trained / "adapter_model.safetensors")
    halved = {key: each.half() for key, each in weights.items()}
    save_file(halved, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((trained / "adapter_config.json").read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])}
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")


def _write_weights(folder: Path, trained: Path, base: Path) -> None:
    """Copies the weights in the precision that the base has, and the tokenizer that belongs to them."""
    kind = _precision(base)
    for path in sorted(trained.glob("model*.safetensors")):
        save_file(
            {key: each.to(kind) for key, each in load_file(path).items()}, folder / path.name, metadata={"format": "pt"}
        )
    for path in sorted(trained.glob("model*.index.json")):
        shutil.copyfile(path, folder / path.name)
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = str(kind).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in TOKENIZER:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _precision(base: Path) -> torch.dtype:
    with safe_open(next(iter(sorted(base.glob("*.safetensors")))), "pt") as file:
        dtype: torch.dtype = file.get_tensor(next(iter(file.keys()))).dtype
        return dtype
