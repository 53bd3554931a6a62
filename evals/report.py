"""The report page: scores by role, then every reply with what it was judged, in one HTML file that needs no network.

`rows` gives the same scores to the command line. It judges nothing and asks nobody.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from evals.asking import Reply
from evals.judging import Figures, Score

Results = Mapping[str, tuple[Sequence[Reply], Sequence[Score], Figures]]
"""Replies, scores and figures by the name of the role."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #ddd }
.why { color: #b00020 } .said, .place { color: #666 } .place { font-size: .8rem }
article { margin: .8rem 0 } article p { margin: 0 }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } .said, .place { color: #999 }
  .why { color: #ff8a80 } th, td { border-color: #444 } }
"""


def write_report(path: Path, results: Results, title: str) -> None:
    """Writes the page, and the folder it lies in."""
    parts = [
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        _summary(results),
        *(_section(name, replies, scores) for name, (replies, scores, _) in results.items()),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts), encoding="utf-8")


def rows(results: Results) -> list[list[str]]:
    """The scores as rows: a task, what is expected of it, each role's share; then the figures."""
    if not results:
        return []
    first = next(iter(results.values()))[1]
    table = [["a reply", "expected", *results]]
    for at, score in enumerate(first):
        mine = [scores[at] for _, scores, _ in results.values()]
        cells = [f"{each.share:.0%} of {each.asked}" if each.asked else "-" for each in mine]
        table.append([_help(score), f"{score.expected:.0%}", *cells])
    all_ = [found for _, _, found in results.values()]
    table.append(["words, median", "8 to 40", *(f"{each.words:.0f}" for each in all_)])
    table.append(["pairs of words said once only", "", *(f"{each.distinct:.0%}" for each in all_)])
    table.append(["first piece, median and slowest twentieth", "0.3 s", *(_seconds(each.first) for each in all_)])
    table.append(["token ids a second", "40", *(f"{each.speed:.0f}" for each in all_)])
    return table


def _help(score: Score) -> str:
    if score.reliability is None:
        return score.help
    return f"{score.help} (right about {score.reliability:.0%} of lines that it has not seen)"


def _seconds(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.2f} s, {pair[1]:.2f} s"


def _summary(results: Results) -> str:
    head, *body = rows(results)
    lines = ["<table><tr>" + "".join(f"<th>{escape(cell)}" for cell in head)]
    for row in body:
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row))
    return "\n".join([*lines, "</table>"])


def _section(name: str, replies: Sequence[Reply], scores: Sequence[Score]) -> str:
    why: dict[int, list[str]] = {}
    for score in scores:
        for failure in score.failures:
            why.setdefault(id(failure.reply), []).append(f"{score.task}: {failure.why}")
    articles = "\n".join(_article(reply, "; ".join(why.get(id(reply), []))) for reply in replies)
    return f"<h2>{escape(name)}</h2>\n{articles}"


def _article(reply: Reply, why: str) -> str:
    heard = "<br>".join(f"{escape(line.name)}: {escape(line.text)}" for line in reply.probe.heard)
    told = ", ".join(escape(each.title or each.source) for each in reply.passages)
    place = escape(f"{reply.probe.kind}, {reply.probe.place}") + (f"; told: {told}" if told else "")
    verdict = f" <span class=why>{escape(why)}</span>" if why else ""
    return f"<article><p class=place>{place}<p class=said>{heard}<p>{escape(reply.text)}{verdict}</article>"
