"""Writes a trained base as a folder that transformers, vLLM or LMDeploy load: float16 safetensors, configs, provenance.

Also draws the loss curve of all stages. It trains nothing.

    nice -n 19 python -m finetune.base.export finetune/recipes/hearth.toml
"""

import argparse
from pathlib import Path

import msgspec
import torch
from transformers import GenerationConfig

from finetune.base.pack import END, PAD
from finetune.base.train import Recipe, build, read_recipe
from finetune.provenance import write_provenance


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a loss log: a training loss or the held-out ones."""

    tokens: int
    loss: float | None = None
    held: dict[str, float] | None = None


def read_log(path: Path) -> list[Row]:
    """Reads a stage's loss log."""
    return [msgspec.json.decode(line, type=Row) for line in path.read_text(encoding="utf-8").splitlines()]


def curves(rows: list[Row], held: list[str]) -> dict[str, list[tuple[int, float]]]:
    """Losses over tokens: of training, and of every held-out source."""
    found = {"training": [(row.tokens, row.loss) for row in rows if row.loss is not None]}
    for name in held:
        found[name] = [(row.tokens, row.held[name]) for row in rows if row.held]
    return found


def draw(recipe: Recipe, target: Path) -> None:
    """Draws training and validation losses over the tokens seen, stages one after the other."""
    import matplotlib

    matplotlib.use("Agg")  # a machine without a screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    before = 0
    for name, stage in recipe.stages.items():
        if not (recipe.work / name / "loss.jsonl").is_file():
            continue  # trained elsewhere, and gone on from here
        rows = read_log(recipe.work / name / "loss.jsonl")
        for label, points in curves(rows, stage.held).items():
            tokens, losses = zip(*points, strict=True)
            style = "-" if label == "training" else "o-"
            axes.plot(
                [(before + count) / 1e6 for count in tokens], losses, style, lw=0.8, ms=3, label=f"{name}: {label}"
            )
        before += rows[-1].tokens
    axes.set(xlabel="million tokens", ylabel="loss per token (nats)", ylim=(None, 7))
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, dpi=110)


def scores(recipe: Recipe) -> dict[str, float]:
    """The last validation losses."""
    last = list(recipe.stages)[-1]
    held = [row.held for row in read_log(recipe.work / last / "loss.jsonl") if row.held]
    return {f"loss_{name}": round(value, 4) for name, value in held[-1].items()}


def main(args: argparse.Namespace) -> None:
    """Saves the last stage's weights."""
    recipe = read_recipe(args.recipe)
    model = build(recipe)
    last = args.stage or list(recipe.stages)[-1]
    model.load_state_dict(torch.load(recipe.work / last / "checkpoint.pt", weights_only=True)["model"])
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.8, top_p=0.95, repetition_penalty=1.1, eos_token_id=END, pad_token_id=PAD
    )
    model.half().save_pretrained(recipe.out)
    (recipe.out / "model.safetensors").chmod(0o644)
    if not args.stage:
        draw(recipe, recipe.out / "loss.png")
        dataset = [recipe.tokens / f"{name}.npz" for stage in recipe.stages.values() for name in stage.mix]
        write_provenance(recipe.out, recipe=args.recipe, dataset=list(dict.fromkeys(dataset)), scores=scores(recipe))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--stage", default="", help="only write the weights of this stage, for a look in between")
    main(parser.parse_args())
