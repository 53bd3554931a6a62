"""The report of a search: limits and what was found, every try, a picture, replies side by side, in one HTML file.

It needs no network. It judges nothing.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from quantize.gate.judge import Sample, Verdict
from quantize.gate.limits import Check, checks
from quantize.search import Trial

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } img { max-width: 100%; background: #fff }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
.bad { color: #b00020 } .said { color: #666 }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } .said { color: #999 }
  .bad { color: #ff8a80 } th, td { border-color: #444 } }
"""
SIZED = ["weights", "seconds"]


def page(title: str, trials: Sequence[Trial], chosen: Verdict | None, told: Sequence[str]) -> str:
    """The report as HTML.

    Args:
        chosen: The verdict that is shown in full; None where several are only compared.
        told: Lines about source and calibration.
    """
    parts = [
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in told),
        *(_verdict(chosen) if chosen else []),
        "<h2>Every try</h2>",
        _table(trial_rows(trials)),
        *(_samples(chosen.samples) if chosen else []),
    ]
    return "\n".join(parts)


def check_rows(verdict: Verdict) -> list[list[str]]:
    """Each limit, what was found, and whether it is kept."""
    rows = [["what", "found", "limit", ""]]
    return rows + [[each.name, _number(each.found), _limit(each), "" if each.passed else "FAILED"] for each in
                   checks(verdict.figures)]  # fmt: skip


def trial_rows(trials: Sequence[Trial]) -> list[list[str]]:
    """Each try with its figures."""
    head = ["way", "perplexity 16 bit", "int4", "rise", "KL", "same next id", "repeats", "broken", *SIZED, "gate"]
    return [head, *(_trial_row(trial) for trial in trials)]


def _trial_row(trial: Trial) -> list[str]:
    if trial.verdict is None:
        return [str(trial.recipe), *[""] * 9, trial.problem]
    found = trial.verdict.figures
    return [
        str(trial.recipe),
        f"{found.perplexity:.3f}",
        f"{found.perplexity_int4:.3f}",
        f"{found.rise:+.2%}",
        f"{found.kl:.5f}",
        f"{found.agreement:.1%}",
        f"{found.repetition:.0%} → {found.repetition_int4:.0%}",
        f"{found.broken:.0%} → {found.broken_int4:.0%}",
        f"{trial.bytes / 1e6:.1f} MB",
        f"{trial.seconds:.0f}",
        "passed" if trial.passed else "failed",
    ]


def _verdict(verdict: Verdict) -> list[str]:
    found = verdict.figures
    said = "<p>Passed." if verdict.passed else "<p class=bad>Failed: the 16-bit weights stay in use."
    measured = f" {found.moments} held-out moments, {found.ids:,} reply ids, {found.replies} replies generated.</p>"
    return [said + measured, _table(check_rows(verdict)), _picture(verdict)]


def _samples(samples: Sequence[Sample]) -> list[str]:
    rows = [["heard", "in the material", "16 bit", "int4"]]
    return ["<h2>Replies side by side</h2>", _table(rows + [[s.heard, s.material, s.half, s.int4] for s in samples])]


def _picture(verdict: Verdict) -> str:
    """Every held-out moment: what lies above the line got worse."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    one, other = [half for half, _ in verdict.losses], [int4 for _, int4 in verdict.losses]
    ends = [min([*one, *other], default=0), max([*one, *other], default=1)]
    axes.plot(ends, ends, color="grey", linewidth=1)
    axes.scatter(one, other, s=12)
    axes.set(xlabel="loss per token, 16 bit", ylabel="loss per token, int4", title="held-out replies")
    data = io.BytesIO()
    figure.savefig(data, dpi=110, format="png")
    return f"<p><img alt='losses' src='data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}'></p>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(cell)}" for cell in head)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in body]
    return "\n".join([f"<table><tr>{cells}", *lines, "</table>"])


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.4f}"


def _limit(check: Check) -> str:
    return f"at {'least' if check.at_least else 'most'} {check.limit:g}"
