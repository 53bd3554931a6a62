"""Trains the bundled base, one stage of a recipe at a time, on a CPU or one GPU.

A stage has a budget in minutes, and its schedule follows the time trained, so it ends when it was told to, whatever
else the machine does. Kill it at any moment: the same command goes on from the last checkpoint. Products are computed
in bfloat16 where the processor has units for it. It knows token files, not text.

    nice -n 19 python -m finetune.base.train finetune/recipes/hearth.toml books
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from finetune.base.growing import grown
from finetune.base.muon import Muon
from finetune.base.pack import END, PAD, Tokens, load_tokens

CHECKPOINT_SECONDS = 240.0
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = DEVICE == "cuda" or torch.cpu._is_avx512_bf16_supported()  # without such units bfloat16 is 30 times slower
MICRO_BATCH = 65536 if DEVICE == "cuda" else 4096  # most tokens in one forward: more gains nothing on a CPU
Batch = tuple[Tensor, Tensor]  # inputs and targets, both (B, T); a target of -100 is not learnt


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of training, as the recipe writes it."""

    minutes: float
    batch_tokens: int
    lengths: list[tuple[float, int]]
    mix: dict[str, float]
    held: list[str]
    muon_lr: float
    adam_lr: float
    warmup_steps: int
    final_lr: float
    start_from: str = ""
    compile: bool = True


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The whole recipe file."""

    tokens: Path
    work: Path
    out: Path
    seed: int
    model: dict[str, int]
    stages: dict[str, Stage]


def read_recipe(path: Path) -> Recipe:
    """Reads what a base needs of a recipe file."""
    return msgspec.toml.decode(path.read_bytes(), type=Recipe, dec_hook=lambda kind, value: kind(value))


def build(recipe: Recipe) -> Qwen2ForCausalLM:
    """Makes the untrained model."""
    torch.manual_seed(recipe.seed)
    config = Qwen2Config(
        **recipe.model,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=PAD,
        use_sliding_window=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    return Qwen2ForCausalLM(config)


def weights_of(recipe: Recipe, name: str) -> dict[str, Tensor]:
    """The weights that a stage begins with: those of an earlier stage, or of a folder that was exported."""
    exported = Path(name) / "model.safetensors"
    if exported.is_file():
        return {key: tensor.float() for key, tensor in load_file(exported, DEVICE).items()}
    weights: dict[str, Tensor] = torch.load(recipe.work / name / "checkpoint.pt", DEVICE, weights_only=True)["model"]
    return weights


def optimizers(model: nn.Module, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for hidden matrices, AdamW for the rest; each group remembers its peak rate."""
    hidden = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    rest = [weight for name, weight in model.named_parameters() if weight.ndim != 2 or "embed" in name]
    found = [
        Muon(hidden, lr=stage.muon_lr, dtype=torch.bfloat16 if HALF else torch.float32),
        torch.optim.AdamW(rest, lr=stage.adam_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return found


def batches(sources: dict[str, Tokens], stage: Stage, length: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Draws rows from each source by its share, every row of a source once before any comes again."""
    names = list(stage.mix)
    rows = {name: sources[name].rows(length) for name in names}
    decks: dict[str, list[int]] = {name: [] for name in names}
    shares = np.array([stage.mix[name] for name in names]) / sum(stage.mix.values())
    while True:
        picked = []
        for name in rng.choice(names, size=max(1, min(MICRO_BATCH, stage.batch_tokens) // length), p=shares):
            decks[name] = decks[name] or list(rng.permutation(len(rows[name])))
            picked.append(rows[name][decks[name].pop()])
        yield as_batch(picked)


def as_batch(rows: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """Stacks rows and shifts them: ids[t] predicts ids[t + 1]."""
    ids = torch.from_numpy(np.stack([row[0] for row in rows]).astype(np.int64)).to(DEVICE)  # (B, T + 1)
    learn = torch.from_numpy(np.stack([row[1] for row in rows])).to(DEVICE)
    return ids[:, :-1], ids.masked_fill(~learn, -100)[:, 1:]


def positions(ids: Tensor) -> Tensor | None:
    """Positions (B, T) that begin anew after a pad, by which the model tells one example from the next; None where
    all rows are whole."""
    pads = ids == PAD
    if not pads.any():
        return None
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    first = torch.where(pads, places + 1, 0).cummax(1).values.roll(1, dims=1)
    first[:, 0] = 0
    return places - first


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean over the rows of the mean loss of their learnt targets: a row with one short reply counts like any other."""
    with torch.autocast(DEVICE, torch.bfloat16, enabled=HALF):
        logits = model(input_ids=batch[0], position_ids=positions(batch[0]), use_cache=False).logits  # (B, T, V)
    losses = nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[1].flatten(), reduction="none")
    learnt = (batch[1] != -100).sum(1).clamp(min=1)
    return (losses.view_as(batch[1]).sum(1) / learnt).mean()


def validate(model: nn.Module, held: dict[str, Tokens], rows: int = 24) -> dict[str, float]:
    """Mean loss over the first rows of each held-out source, at 512 tokens a row."""
    losses = {}
    for name, tokens in held.items():
        cut = tokens.rows(512)[:rows]
        with torch.no_grad():
            parts = [loss_of(model, as_batch(cut[at : at + 8])).item() for at in range(0, len(cut), 8)]
        losses[name] = round(sum(parts) / len(parts), 4)
    return losses


def rate(step: int, progress: float, stage: Stage) -> float:
    """Share of the peak learning rate: warm-up by steps, then linear by time down to final_lr."""
    return min(1.0, (step + 1) / stage.warmup_steps) * (1 - (1 - stage.final_lr) * min(1.0, progress))


class Training:
    """A model on its way through one stage: what a checkpoint holds."""

    def __init__(self, recipe: Recipe, name: str) -> None:
        self.stage, self.folder = recipe.stages[name], recipe.work / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = build(recipe).to(DEVICE)
        if self.stage.start_from:
            earlier = weights_of(recipe, self.stage.start_from)
            self.model.load_state_dict(grown(earlier, recipe.model["num_hidden_layers"]), strict=False)
        self.optimizers = optimizers(self.model, self.stage)
        self.step, self.seconds, self.tokens = 0, 0.0, 0
        self.run = torch.compile(self.model) if self.stage.compile else self.model
        if (self.folder / "checkpoint.pt").exists():
            self.resume()

    @property
    def progress(self) -> float:
        """Share of the time budget that is used, 0 to 1."""
        return self.seconds / (60 * self.stage.minutes)

    def resume(self) -> None:
        """Goes on from the checkpoint."""
        saved = torch.load(self.folder / "checkpoint.pt", DEVICE, weights_only=True)
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.seconds, self.tokens = saved["step"], saved["seconds"], saved["tokens"]

    def save(self) -> None:
        """Writes the checkpoint aside, then moves it in place: a kill never leaves half of one."""
        state = {"model": self.model.state_dict(), "optimizers": [each.state_dict() for each in self.optimizers],
                 "step": self.step, "seconds": self.seconds, "tokens": self.tokens}  # fmt: skip
        torch.save(state, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")

    def update(self, micro_batches: Iterator[Batch]) -> float:
        """Makes one optimizer step and returns its loss."""
        began, count, total = time.monotonic(), max(1, self.stage.batch_tokens // MICRO_BATCH), 0.0
        for _ in range(count):
            batch = next(micro_batches)
            loss = loss_of(self.run, batch) / count
            loss.backward()
            total += loss.item()
            self.tokens += batch[0].numel()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(self.step, self.progress, self.stage)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += time.monotonic() - began
        return total

    def log(self, **values: object) -> None:
        """Adds one JSON line to the loss log and shows it."""
        row = {"step": self.step, "minutes": round(self.seconds / 60, 2), "tokens": self.tokens, **values}
        with (self.folder / "loss.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def train(
    training: Training,
    sources: dict[str, Tokens],
    held: dict[str, Tokens],
    seed: int,
    *,
    most_steps: int = 0,
    most_seconds: float = math.inf,
) -> None:
    """Trains until the stage's time, `most_steps` in all or `most_seconds` of this slice are used up."""
    length, saved, checked, end = 0, time.monotonic(), -math.inf, training.seconds + most_seconds
    micro_batches: Iterator[Batch] = iter(())
    while training.progress < 1 and training.seconds < end and (not most_steps or training.step < most_steps):
        wanted = [size for start, size in training.stage.lengths if start <= training.progress][-1]
        if wanted != length:
            length = wanted
            micro_batches = batches(sources, training.stage, length, np.random.default_rng([seed, training.step]))
        loss = training.update(micro_batches)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss at step {training.step} is {loss}")
        if training.step % 10 == 0:
            training.log(
                loss=round(loss, 4),
                length=length,
                rate=round(rate(training.step, training.progress, training.stage), 4),
            )
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            training.save()
            saved = time.monotonic()
        if training.progress - checked > 0.1:
            training.log(held=validate(training.model, held))
            checked = training.progress
    training.save()
    training.log(held=validate(training.model, held))


def main(args: argparse.Namespace) -> None:
    """Runs one stage of a recipe."""
    recipe = read_recipe(args.recipe)
    training = Training(recipe, args.stage)
    sources = {name: load_tokens(recipe.tokens / f"{name}.npz") for name in training.stage.mix}
    held = {name: load_tokens(recipe.tokens / f"{name}.npz") for name in training.stage.held}
    print(f"{sum(weight.numel() for weight in training.model.parameters()):,} parameters, step {training.step}")
    slice_seconds = 60 * args.minutes if args.minutes else math.inf
    train(training, sources, held, recipe.seed, most_steps=args.steps, most_seconds=slice_seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("stage")
    parser.add_argument("--minutes", type=float, default=0.0, help="train only so long now; the next call goes on")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps, whatever the budget says")
    main(parser.parse_args())
