"""One run, from run.json to result.json: load, train, measure, draw. The best held-out state is what counts.

A run that was killed goes on at its last checkpoint and ends as it would have. What it makes lies in its folder; the
role folder is not touched here. It knows no command line.
"""

import contextlib
import math
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
from safetensors import SafetensorError
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar

from finetune.dataset.files import Dataset, read_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer
from finetune.errors import WorkshopError
from finetune.training.batches import Collator
from finetune.training.curves import Events, draw
from finetune.training.kinds import invocation_for, load_tokenizer, ready
from finetune.training.pace import epochs_that_fit, pace
from finetune.training.plan import Plan, Result, check_base, checkpoints, read_plan, write_whole
from finetune.training.progress import Deadline, Patience, shown
from finetune.training.recipe import epochs_for
from finetune.training.report import report
from finetune.training.samples import STAGES, Samples, asked
from finetune.training.scores import mean_loss
from finetune.training.trainer import RoleTrainer, arguments

MODEL, RESULT, START, SAMPLES = "model", "result.json", "start.json", "samples.json"

_TORCH_WRITES = ("inline_container", "iostream error", "PytorchStreamWriter")
"""What torch says where its writing fails; it has no error of its own for that."""


class _Start(msgspec.Struct, frozen=True):
    """What was measured before the first step: start.json, so that a run that goes on knows it."""

    base_loss: float
    epochs: float


class _Lesson(NamedTuple):
    """Everything of a run that does not change while it trains."""

    plan: Plan
    run: Path
    train: list[Example]
    held_out: list[Example]
    collator: Collator
    samples: Samples


def train(run: Path) -> Result:
    """Trains what run.json says, or goes on with it; the trained weights end up in the run's folder `model`.

    Raises:
        WorkshopError: Data or base can't be used, or the data is no longer what run.json says.
    """
    try:
        return _train(run, read_plan(run))
    except (OSError, SafetensorError) as error:
        raise _unwritten(run, str(error)) from None
    except RuntimeError as error:
        if not any(mark in str(error) for mark in _TORCH_WRITES):
            raise
        raise _unwritten(run, "a checkpoint could not be written to its end") from None


def _unwritten(run: Path, why: str) -> WorkshopError:
    remedy = "check the disk; the same command goes on where it stopped"
    return WorkshopError(str(run), f"it can't be read or written: {why}", remedy)


def _train(run: Path, plan: Plan) -> Result:
    began = time.monotonic()
    disable_progress_bar()
    if plan.stamped() != plan:
        raise WorkshopError(str(run), "data or base have changed since run.json was written", "start anew: --restart")
    if plan.minutes and _processes() > 1:
        raise WorkshopError("--minutes", "several processes can't agree on a time", "give --epochs instead")
    lesson = _lesson(run, plan)
    (run / RESULT).unlink(missing_ok=True)
    model = ready(Path(plan.base), plan.kind, plan.recipe)
    start = _started(lesson, model)
    trainer, stops = _trainer(lesson, model, start)
    last = checkpoints(run)
    try:
        trainer.train(resume_from_checkpoint=str(last[-1]) if last else None)
    except BaseException:  # Ctrl-C too: a bar that is not stopped leaves a terminal without its cursor
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        raise
    return _finished(lesson, trainer, start, stops, began)


def _processes() -> int:
    """How many processes train together; whoever starts them says so."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _lesson(run: Path, plan: Plan) -> _Lesson:
    dataset = read_dataset(Path(plan.dataset))
    activated, base = plan.kind == "alora", Path(plan.base)
    renderer = Renderer.of(base, context=plan.recipe.context, invocation=invocation_for(base, plan.kind))
    train, held_out = _examples(dataset, renderer, learn_heard=plan.recipe.learn_heard and not activated)
    if not train:
        raise WorkshopError(plan.dataset, "it has no moments to learn from", "build it from more material")
    if _first():
        _tell_limits(plan, train, held_out)
    tokenizer = load_tokenizer(base)
    pad = next(id_ for id_ in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if id_ is not None)
    prompts = asked(dataset.held_out, renderer)
    samples = Samples(prompts, renderer.template, tokenizer.decode, run / SAMPLES, activated=activated)
    return _Lesson(plan, run, train, held_out, Collator(pad=pad, activated=activated), samples)


def _examples(dataset: Dataset, renderer: Renderer, *, learn_heard: bool) -> tuple[list[Example], list[Example]]:
    def rendered(moments: list[Moment], *, learn_heard: bool) -> list[Example]:
        found = (renderer.example(moment, learn_lines=learn_heard) for moment in moments)
        return [each for each in found if any(each.learn)]

    return rendered(dataset.train, learn_heard=learn_heard), rendered(dataset.held_out, learn_heard=False)


def _first() -> bool:
    """Whether this process is the one that talks."""
    return os.environ.get("RANK", "0") == "0"


def _tell_limits(plan: Plan, train: list[Example], held_out: list[Example]) -> None:
    """Says what this run can't do with its data."""
    cut = sum(each.cut for each in (*train, *held_out))
    if cut:
        told = f"{cut:,} replies are longer than the context of {plan.recipe.context:,} token ids and lose their end"
        print(f"warning: {told}; --context takes more", file=sys.stderr, flush=True)
    if not held_out:
        told = "nothing is held out to measure by: it trains all epochs, and the last state is taken"
        print(f"warning: {told}", file=sys.stderr, flush=True)


def _started(lesson: _Lesson, model: PreTrainedModel) -> _Start:
    """What is measured before the first step, once: a fresh adapter changes nothing, so it is the base that answers."""
    path, plan = lesson.run / START, lesson.plan
    if checkpoints(lesson.run):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(path.read_bytes(), type=_Start)
    lesson.samples.take(STAGES[0], model)
    epochs = plan.recipe.epochs or epochs_for(len(lesson.train))
    if plan.minutes:
        one = pace(model, lesson.train, len(lesson.held_out), lesson.collator, plan.recipe.batch)
        epochs = epochs_that_fit(plan.minutes, one, epochs)
    base_loss = mean_loss(model, lesson.held_out, lesson.collator)
    start = _Start(base_loss, epochs)
    write_whole(path, msgspec.json.encode(start))
    return start


def _trainer(lesson: _Lesson, model: PreTrainedModel, start: _Start) -> tuple[RoleTrainer, list[Patience | Deadline]]:
    plan = lesson.plan
    trainer = RoleTrainer(
        model,
        arguments(lesson.run, plan.recipe, plan.kind, start.epochs, measured=bool(lesson.held_out)),
        train=lesson.train,
        held_out=lesson.held_out,
        collator=lesson.collator,
        recipe=plan.recipe,
    )
    stops: list[Patience | Deadline] = [
        Patience(plan.recipe.patience),
        # Several processes have to save at the same step, which their clocks would not tell alike.
        Deadline(plan.recipe.checkpoint_minutes if _processes() == 1 else math.inf, plan.minutes),
    ]
    extra: list[TrainerCallback] = [lesson.samples, *stops]
    if trainer.is_world_process_zero():
        extra += [Events(lesson.run / "events"), shown(f"{plan.role}, {plan.kind}")]
    trainer.remove_callback(PrinterCallback)
    for each in extra:
        trainer.add_callback(each)
    return trainer, stops


def _finished(
    lesson: _Lesson, trainer: RoleTrainer, start: _Start, stops: list[Patience | Deadline], began: float
) -> Result:
    """Measures the best state and saves it, with everything that people look at."""
    model, plan = cast(PreTrainedModel, trainer.model), lesson.plan
    loss = mean_loss(model, lesson.held_out, lesson.collator)
    if not math.isfinite(loss):
        problem = "the held-out loss is no number any more: the learning rate is too high"
        raise WorkshopError(str(lesson.run), problem, f"lower it: --restart --lr {plan.recipe.learning_rate / 4:g}")
    if _first():
        check_base(plan)
    lesson.samples.take(STAGES[2], model)
    trainer.save_model(str(lesson.run / MODEL))
    result = Result(
        plan=plan,
        base_loss=start.base_loss,
        loss=loss,
        epochs=round(trainer.state.epoch or 0.0, 2),
        seconds=round(time.monotonic() - began, 1),
        steps=trainer.state.global_step,
        stopped="; ".join(each.stopped for each in stops if each.stopped),
        measured=bool(lesson.held_out),
    )
    if trainer.is_world_process_zero():
        history = cast(list[dict[str, float]], trainer.state.log_history)
        draw(
            lesson.run / "curves.png",
            history,
            start.base_loss if result.measured else None,
            f"{plan.role}, {plan.kind}",
        )
        (lesson.run / "samples.md").write_text(lesson.samples.text(), encoding="utf-8")
        (lesson.run / "report.md").write_text(report(result, history), encoding="utf-8")
        write_whole(lesson.run / RESULT, msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    return result


def read_result(run: Path) -> Result:
    """Reads result.json.

    Raises:
        WorkshopError: The run is not finished.
    """
    try:
        return msgspec.json.decode((run / RESULT).read_bytes(), type=Result)
    except (OSError, msgspec.DecodeError) as error:
        raise WorkshopError(str(run / RESULT), f"it can't be read: {error}", "let the run come to its end") from None
