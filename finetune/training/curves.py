"""Losses over steps: drawn as a picture, and written as events that TensorBoard shows.

It knows no model and no data.
"""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from transformers import TrainerCallback, TrainerControl, TrainerState

Point = tuple[int, float]


class Events(TrainerCallback):  # type: ignore[misc]  # it has no types
    """Writes every number that is logged, for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import, and only training needs it

        self._writer = SummaryWriter(str(folder))

    def on_log(
        self,
        _: object,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, object] | None = None,
        **rest: object,
    ) -> None:
        for name, value in (logs or {}).items():
            if isinstance(value, int | float):
                self._writer.add_scalar(name.replace("eval_", "held_out/"), value, state.global_step)

    def on_train_end(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        self._writer.close()


def points(history: list[dict[str, float]], key: str) -> list[Point]:
    """A curve of the trainer's log."""
    return [(int(row["step"]), float(row[key])) for row in history if key in row]


def draw(path: Path, history: list[dict[str, float]], base: float | None, title: str) -> None:
    """Draws training and held-out loss, and the base's held-out loss as a line where it was measured."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for key, label in (("loss", "training"), ("eval_loss", "held out")):
        found = points(history, key)
        axes.plot([step for step, _ in found], [loss for _, loss in found], marker=".", label=label)
    if base is not None:
        axes.axhline(base, linestyle="--", color="grey", label="held out, bare base")
    axes.set(xlabel="steps", ylabel="loss per token", title=title)
    axes.legend()
    figure.savefig(path, dpi=110)
