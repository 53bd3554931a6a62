"""Prints how well each role's held-out lines are predicted: by the bare base, by its own adapter, by the other roles'
adapters.

Every row is one role's lines in the prompts that the room serves; only the adapter changes along the row. A voice has
been learnt where its own adapter is the lowest of its row. It writes the scores into each adapter's provenance.json.

    nice -n 19 python -m finetune.base.perplexity finetune/recipes/hearth.toml
"""

import argparse
import json
import math
from pathlib import Path

from peft import PeftModel
from torch import nn

from finetune.base.adapters import AdapterRecipe, read_recipe
from finetune.base.pack import PAD
from finetune.base.role_data import RoleData, room_premise
from finetune.dataset.render import Example, Renderer
from finetune.training.batches import Collator
from finetune.training.kinds import load_base
from finetune.training.scores import mean_loss

BARE = "bare base"
Scores = dict[str, dict[str, float]]  # role → adapter → perplexity


def load_with(recipe: AdapterRecipe, adapter: str) -> nn.Module:
    """Loads the base, and an adapter over it unless it is to stay bare."""
    base: nn.Module = load_base(recipe.base).float()
    if adapter == BARE:
        return base.eval()
    model: nn.Module = PeftModel.from_pretrained(base, recipe.roles / adapter / "adapter")
    return model.float().eval()


def held_out_examples(recipe: AdapterRecipe) -> dict[str, list[Example]]:
    """Renders every role's held-out records as they were written."""
    renderer, premise = Renderer.of(recipe.base), room_premise(recipe.rooms)
    roles = [RoleData.read(recipe.roles / name) for name in recipe.names]
    return {role.id: [renderer.example(role.moment(record, premise)) for record in role.held_out] for role in roles}


def measure(recipe: AdapterRecipe) -> Scores:
    """Perplexity of every role's held-out replies under every adapter."""
    rows = held_out_examples(recipe)
    scores: Scores = {role: {} for role in rows}
    for adapter in (BARE, *recipe.names):
        model = load_with(recipe, adapter)
        collator = Collator(pad=PAD, activated=adapter not in (BARE, *recipe.lora))
        for role, examples in rows.items():
            scores[role][adapter] = math.exp(mean_loss(model, examples, collator))
    return scores


def table(scores: Scores) -> str:
    """The scores as a Markdown table; the lowest of a row is bold."""
    adapters = list(next(iter(scores.values())))
    lines = ["| held-out lines of | " + " | ".join(adapters) + " |", "|---" * (len(adapters) + 1) + "|"]
    for role, row in scores.items():
        cells = [f"**{score:.1f}**" if score == min(row.values()) else f"{score:.1f}" for score in row.values()]
        lines.append(f"| {role} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def stamp(folder: Path, role: str, row: dict[str, float]) -> None:
    """Adds a role's row to its adapter's provenance."""
    path = folder / "provenance.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))
    others = [score for adapter, score in row.items() if adapter not in (role, BARE)]
    provenance["scores"] |= {
        "perplexity": round(row[role], 2),
        "perplexity_bare_base": round(row[BARE], 2),
        "perplexity_best_other": round(min(others), 2),
    }
    path.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def main(args: argparse.Namespace) -> None:
    """Measures, prints and stamps."""
    recipe = read_recipe(args.recipe)
    scores = measure(recipe)
    print(table(scores))
    for role, row in scores.items():
        stamp(recipe.roles / role / "adapter", role, row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    main(parser.parse_args())
