"""Trains a role's adapter on its lines: an activated LoRA that wakes at `<|aside|>`, or an ordinary LoRA.

Every example is the prompt that the room would serve, and loss is on the role's reply and its end only. The held-out
tenth is only measured: no code chooses by it. It knows no rooms and no engine.

    nice -n 19 python -m finetune.train finetune/recipes/hearth.toml mara tobin narrator ilse
"""

import argparse
import json
import random
import time
from pathlib import Path

import msgspec
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from finetune.base.pack import ASIDE, PAD
from finetune.base.role_data import RoleData, Table, room_premise
from finetune.dataset.render import Example, Renderer
from finetune.provenance import file_sha256, write_provenance

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class AdapterRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[adapters]` table of a recipe."""

    base: Path
    roles: Path
    rooms: Path
    names: list[str]
    rank: int
    alpha: int
    dropout: float
    learning_rate: float
    final_rate: float
    weight_decay: float
    epochs: int
    batch: int
    seed: int
    lora: list[str] = []
    """Roles that get an ordinary LoRA; all others get an activated one."""


def read_recipe(path: Path) -> AdapterRecipe:
    """Reads the adapters' part of a recipe file."""
    table = msgspec.toml.decode(path.read_bytes())["adapters"]
    return msgspec.convert(table, AdapterRecipe, dec_hook=lambda kind, value: kind(value))


def load_base(recipe: AdapterRecipe) -> PreTrainedModel:
    """Loads the base in float32: a CPU trains in nothing smaller."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        recipe.base, dtype=torch.float32, local_files_only=True
    )
    return model


def with_adapter(base: PreTrainedModel, recipe: AdapterRecipe, role: str) -> PeftModel:
    """Puts a fresh adapter on every linear layer."""
    torch.manual_seed(recipe.seed)
    invocation = None if role in recipe.lora else [ASIDE]
    config = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, task_type="CAUSAL_LM",
        target_modules=LINEAR, alora_invocation_tokens=invocation,
    )  # fmt: skip
    model: PeftModel = get_peft_model(base, config)
    return model


def collate(examples: list[Example]) -> tuple[Tensor, Tensor]:
    """Pads on the right; a target is learnt only where the example says so."""
    width = max(len(each.ids) for each in examples)
    ids = torch.full((len(examples), width), PAD)  # (B, T)
    targets = torch.full((len(examples), width), -100)
    for row, each in enumerate(examples):
        ids[row, : len(each.ids)] = torch.tensor(each.ids)
        targets[row, : len(each.ids)] = torch.tensor(
            [token if learn else -100 for token, learn in zip(each.ids, each.learn, strict=True)]
        )
    return ids, targets


def loss_of(model: nn.Module, examples: list[Example]) -> tuple[Tensor, int]:
    """Returns the summed loss and the number of learnt tokens. PEFT finds `<|aside|>` in the ids by itself."""
    ids, targets = collate(examples)
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]  # (B, T - 1, V)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), reduction="sum")
    return loss, int((targets[:, 1:] != -100).sum())


def mean_loss(model: nn.Module, examples: list[Example], batch: int = 16) -> float:
    """Loss per learnt token, without dropout."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        parts = [loss_of(model, examples[at : at + batch]) for at in range(0, len(examples), batch)]
    model.train(was_training)
    return float(sum(loss.item() for loss, _ in parts) / sum(count for _, count in parts))


def batches(examples: list[Example], size: int, rng: random.Random) -> list[list[Example]]:
    """Groups examples of about one length, so that little is padded, and shuffles the groups."""
    ordered = sorted(examples, key=lambda each: len(each.ids) + rng.random() * 20)
    groups = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    rng.shuffle(groups)
    return groups


def epoch_loss(
    model: PeftModel, optimizer: torch.optim.Optimizer, groups: list[list[Example]], rates: list[float]
) -> float:
    """Trains one pass and returns its loss per token."""
    total, tokens = 0.0, 0
    for group, rate in zip(groups, rates, strict=True):
        loss, count = loss_of(model, group)
        (loss / count).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total, tokens = total + loss.item(), tokens + count
    return total / tokens


class Lessons:
    """A role's training share, in a new guise every epoch, and its held-out tenth as it was written."""

    def __init__(self, renderer: Renderer, table: Table, role: RoleData) -> None:
        self.renderer, self.table, self.role = renderer, table, role
        self.held_out = [renderer.example(role.moment(record, table.premise)) for record in role.held_out]

    def varied(self, rng: random.Random) -> list[Example]:
        """Every record of the training share, once."""
        return [self.renderer.example(self.table.varied(self.role, record, rng)) for record in self.role.train]


def train(model: PeftModel, lessons: Lessons, recipe: AdapterRecipe) -> dict[str, float]:
    """Trains for the epochs of the recipe. The held-out loss is shown after each; no code chooses by it."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay)
    held_out = mean_loss(model, lessons.held_out)
    print(f"{lessons.role.id}: {len(lessons.role.train)} records; held-out loss {held_out:.3f}", flush=True)
    for epoch in range(recipe.epochs):
        began, rng = time.monotonic(), random.Random(recipe.seed * 1000 + epoch)
        groups = batches(lessons.varied(rng), recipe.batch, rng)
        done = (epoch + torch.arange(len(groups)) / len(groups)) / recipe.epochs
        model.train()
        rates = recipe.learning_rate * (1 - (1 - recipe.final_rate) * done)
        loss = epoch_loss(model, optimizer, groups, rates.tolist())
        held_out = mean_loss(model, lessons.held_out)
        took = time.monotonic() - began
        print(f"epoch {epoch + 1}: training {loss:.3f}, held-out {held_out:.3f}, {took:.0f} s", flush=True)
    return {"training_loss": round(loss, 4), "held_out_loss": round(held_out, 4)}


def save_adapter(
    model: PeftModel, folder: Path, recipe_path: Path, recipe: AdapterRecipe, scores: dict[str, float]
) -> None:
    """Saves in float16 with its provenance, without the card that PEFT writes beside it."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = recipe.base.as_posix()
    config["target_modules"] = sorted(config["target_modules"])  # PEFT keeps a set
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    base = file_sha256([recipe.base / "model.safetensors"])
    write_provenance(folder, recipe=recipe_path, dataset=[folder.parent / "lines.jsonl"], scores=scores, base=base)


def main(args: argparse.Namespace) -> None:
    """Trains the named roles, one after the other."""
    recipe = read_recipe(args.recipe)
    table = Table([RoleData.read(recipe.roles / name) for name in recipe.names], room_premise(recipe.rooms))
    renderer = Renderer.of(recipe.base)
    for role in [role for role in table.roles if role.id in args.roles]:
        model = with_adapter(load_base(recipe), recipe, role.id)
        scores = train(model, Lessons(renderer, table, role), recipe)
        save_adapter(model, recipe.roles / role.id / "adapter", args.recipe, recipe, scores)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("roles", nargs="+")
    main(parser.parse_args())
