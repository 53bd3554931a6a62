"""Infoboxes of a saved page: Fandom's `portable-infobox`, and tables that call themselves infobox.

Finds pairs of key and value; what is kept of them is _infobox.py's business.
"""

from collections.abc import Iterator
from typing import NamedTuple

from knowledge.sources import _htmltree as tree
from knowledge.sources._infobox import Fact, Infobox, infobox

_LONGEST_NAME = 60


class _Row(NamedTuple):
    cells: list[str]
    is_heading: bool

    @property
    def is_single(self) -> bool:
        return len(self.cells) == 1


def box(element: tree.Element) -> Infobox:
    """Reads an infobox; one without facts was none."""
    facts, heading = list(_portable(element)), next(_classed(element, "pi-title"), "")
    if not facts:
        rows = list(_rows(element))
        if rows and rows[0].is_single:
            heading = rows.pop(0).cells[0]
        facts = [*_pairs(rows), *_terms(element)]
    name = heading.partition("\n")[0]
    return infobox(facts, name if len(name) <= _LONGEST_NAME else "")


def _portable(element: tree.Element) -> Iterator[Fact]:
    """Labels and the values after them: one and one, or a row of each."""
    labels: list[str] = []
    values: list[str] = []
    for found in element.iter():
        classes = found.get("class", "").split()
        if "pi-data-label" in classes:
            if values:
                yield from zip(labels, values, strict=False)
                labels, values = [], []
            labels.append(tree.text(found))
        elif "pi-data-value" in classes:
            values.append(tree.text(found))
    yield from zip(labels, values, strict=False)


def _classed(element: tree.Element, name: str) -> Iterator[str]:
    for found in element.iter():
        if name in found.get("class", "").split():
            yield tree.text(found)


def _rows(element: tree.Element) -> Iterator[_Row]:
    """Cells of each row of a table; a row that only frames another table is none."""
    for row in element.iter("caption", "tr"):
        cells = [row] if row.tag == "caption" else [cell for cell in row if cell.tag in ("th", "td")]
        if next(row.iter("table"), None) is None:
            texts = [tree.text(cell) for cell in cells]
            if any(texts):
                yield _Row(texts, cells[0].tag == "th")


def _pairs(rows: list[_Row]) -> Iterator[Fact]:
    """Cells two by two; a heading over the whole width is the key of a single cell below it."""
    key = ""
    for row in rows:
        if not row.is_single:
            first, *rest = row.cells
            yield from (
                zip(row.cells[::2], row.cells[1::2], strict=True) if len(rest) % 2 else [(first, "\n".join(rest))]
            )
        elif key and not row.is_heading:
            yield key, row.cells[0]
        key = row.cells[0] if row.is_single and row.is_heading else ""


def _terms(element: tree.Element) -> Iterator[Fact]:
    """Pairs of a definition list."""
    key = ""
    for found in element.iter("dt", "dd"):
        if found.tag == "dt":
            key = tree.text(found)
        elif key:
            yield key, tree.text(found)
