"""What came out of a run, in words and numbers: report.md.

It knows no model; it reads a result and the trainer's log.
"""

from finetune.training.plan import Result
from finetune.training.scores import perplexity


def report(result: Result, history: list[dict[str, float]]) -> str:
    """The report of a run as Markdown."""
    plan = result.plan
    base, recipe = plan.base_name or plan.base, plan.recipe_file or "(flags only)"
    rows = [
        f"# {plan.role}, {plan.kind}\n",
        f"Base `{base}`, recipe `{recipe}`, seed {plan.recipe.seed}.\n",
        gained(result) + "\n",
        f"{result.epochs:g} epochs, {result.steps:,} steps, {result.seconds / 60:.1f} minutes.",
        *([f"It stopped early: {result.stopped}.\n"] if result.stopped else [""]),
        "| epoch | held-out loss | perplexity |\n|---:|---:|---:|",
        *([f"| 0 | {result.base_loss:.3f} | {perplexity(result.base_loss):.1f} |"] if result.measured else []),
        *(_row(row) for row in history if "eval_loss" in row),
        "\n`curves.png` shows the same, `samples.md` what it says, `tensorboard --logdir events` everything.\n",
    ]
    return "\n".join(rows)


def gained(result: Result) -> str:
    """How much better the held-out replies are predicted than by the bare base."""
    if not result.measured:
        return "Nothing was held out, so how well it learnt is not measured."
    before, after = perplexity(result.base_loss), perplexity(result.loss)
    share = (1 - after / before) * 100
    said = f"{share:.1f} % lower" if share >= 0 else f"{-share:.1f} % higher"
    return f"Held-out perplexity {after:.1f}; the bare base has {before:.1f}: {said}."


def _row(row: dict[str, float]) -> str:
    return f"| {row.get('epoch', 0):.1f} | {row['eval_loss']:.3f} | {perplexity(row['eval_loss']):.1f} |"
