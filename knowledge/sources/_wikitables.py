"""Tables of wikitext, between `{|` and `|}`, as rows of cells.

Gets the source of one table in which links and templates are already text. A bar in such text is written `BAR`, so
that it is not taken for the edge of a cell.
"""

import re

BAR = "\ufdd0"
"""Stands for `|` until the page is done: a code point that is no character and occurs in no text."""

_ATTRIBUTES = re.compile(r"^\s*(?:[\w-]+\s*=[^|]*)?\|(?!\|)")
"""What stands before a cell's text: `style="width:3em" |`."""


def table(source: str) -> str:
    """Its rows as lines `a | b`; "" for a box of links to other pages."""
    if "navbox" in source.partition("\n")[0].casefold():
        return ""
    lines = (f" {BAR} ".join(cells) for cells in rows(source) if any(cells))
    return "\n\n" + "\n".join(lines) + "\n\n"


def rows(source: str) -> list[list[str]]:
    """Cells of each row; a caption is a row of one cell. The first line holds attributes of the table."""
    found: list[list[list[str]]] = [[]]
    for line in source.split("\n")[1:]:
        line = line.strip()
        if line.startswith("|+"):
            found += [[[line[2:]]], []]
        elif line.startswith("|-"):
            found.append([])
        elif line.startswith(("|", "!")):
            cells = re.split(r"\|\||!!", line[1:]) if line[0] == "!" else line[1:].split("||")
            found[-1] += [[_ATTRIBUTES.sub("", cell, count=1)] for cell in cells]
        elif found[-1]:
            found[-1][-1].append(line)
    return [[" ".join(" ".join(cell).split()) for cell in row] for row in found if row]
