"""The trainer of transformers, told how our examples are batched, measured and ordered.

Held-out loss is measured on every token once, on every process alike. It knows no role folder and no screen.
"""

import math
from pathlib import Path

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer, TrainerControl, TrainingArguments

from finetune.dataset.render import Example
from finetune.training.batches import ByLength, Collator, Examples
from finetune.training.kinds import Kind
from finetune.training.recipe import Recipe
from finetune.training.scores import mean_loss


class RoleTrainer(Trainer):  # type: ignore[misc]  # it has no types
    """Trains on examples.

    Args:
        held_out: What is measured after every epoch.
        measured: Loss on it before any step.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        train: list[Example],
        held_out: list[Example],
        collator: Collator,
        recipe: Recipe,
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=Examples(train),
            eval_dataset=Examples(held_out),
            data_collator=collator,
        )
        self.recipe, self.held_out, self.collator = recipe, held_out, collator
        self._lengths = [len(each.ids) for each in train]

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return ByLength(self._lengths, size, self.recipe.seed)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """A short rise, then a straight fall to the recipe's final rate."""
        self.lr_scheduler: LambdaLR = LambdaLR(optimizer or self.optimizer, Rate(self.recipe, num_training_steps))
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, *args: object, metric_key_prefix: str = "eval", **kwargs: object) -> dict[str, float]:
        """Measures the held-out loss."""
        loss = mean_loss(self.model, self.held_out, self.collator)
        metrics = {f"{metric_key_prefix}_loss": loss}
        self.log(dict(metrics))
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Rate:
    """Learning rate at a step, as a share of the highest."""

    def __init__(self, recipe: Recipe, steps: int) -> None:
        self.rise, self.steps, self.final = max(1, round(recipe.warmup * steps)), steps, recipe.final_rate

    def __call__(self, step: int) -> float:
        if step < self.rise:
            return (step + 1) / self.rise
        done = (step - self.rise) / max(1, self.steps - self.rise)
        return 1 - (1 - self.final) * min(1.0, done)


def arguments(run: Path, recipe: Recipe, kind: Kind, epochs: float, *, measured: bool = True) -> TrainingArguments:
    """The options of transformers that a recipe stands for; unless it is measured, the last state counts."""
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(run),
        num_train_epochs=epochs,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adam_beta2=0.99,
        max_grad_norm=1.0,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        activation_checkpointing=recipe.gradient_checkpointing,
        bf16=cuda,
        use_cpu=not cuda,
        eval_strategy="epoch" if measured else "no",
        save_strategy="epoch",
        save_total_limit=recipe.keep,
        load_best_model_at_end=measured,
        metric_for_best_model="eval_loss" if measured else None,
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=5,
        logging_nan_inf_filter=False,
        seed=recipe.seed,
        data_seed=recipe.seed,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=cuda,
        deepspeed=recipe.deepspeed or None,
        disable_tqdm=True,
        report_to="none",
    )


def steps_of(examples: int, recipe: Recipe, epochs: float, devices: int = 1) -> int:
    """How many steps so many epochs take."""
    return math.ceil(epochs * math.ceil(examples / (recipe.batch * recipe.accumulate * devices)))
