"""What is measured by: whole scenes, chosen by a draw that more material does not change.

Invariant: no line that a held-out moment hears or says is part of any training moment. A scene too long to be held out
whole is cut into blocks; the lines before a held-out block are heard by it alone, so there is a gap in which turns are
neither learnt nor measured.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from finetune.dataset.draw import chance
from finetune.dataset.stretch import Stretch

ENOUGH = 30
"""Turns to measure by, where a tenth of the material is as many."""
GAP = 8
"""Lines before a held-out block that only it hears; fewer where blocks are small, or gaps would cost more than they
protect."""
OVER = 1.25
"""How far the held-out share may be over before a smaller scene is looked for."""


class Divided(NamedTuple):
    """Stretches to learn from, and to measure by."""

    train: list[Stretch]
    held_out: list[Stretch]


class _Block(NamedTuple):
    """A part of a stretch: which one, which lines, and how many turns."""

    stretch: int
    begin: int
    end: int
    turns: int


def divide(stretches: Sequence[Stretch], name: str, share: float, seed: int, counts: Counter[str]) -> Divided:
    """Divides stretches.

    Args:
        name: Whose turns count.
        share: Of them that is held out: about so much, and at least `ENOUGH` where a tenth of them is as many.
        counts: Is told how many turns lie in gaps.
    """
    turns = [stretch.turns(name) for stretch in stretches]
    wanted = how_many(sum(turns), share)
    blocks = [block for at, each in enumerate(stretches) for block in _blocks(each, at, name, turns[at], wanted)]
    taken = _drawn(blocks, stretches, wanted, seed)
    divided, gap = Divided([], []), min(GAP, 2 * _size(wanted))
    for at, group in groupby(blocks, key=lambda block: block.stretch):
        _put(stretches[at], list(group), taken, gap, divided)
    counts["left out: in a gap"] += sum(turns) - sum(each.turns(name) for part in divided for each in part)
    return divided


def how_many(turns: int, share: float) -> int:
    """How many turns of so many are to be held out."""
    return max(round(turns * share), min(ENOUGH, turns // 10)) if share else 0


def _size(wanted: int) -> int:
    """Turns of a block: what is held out of one long scene is from three places."""
    return max(1, -(-wanted // 3))


def _blocks(stretch: Stretch, at: int, name: str, turns: int, wanted: int) -> Iterator[_Block]:
    """A stretch as one block, or, if it is too long to be held out, as several; each ends with a turn of the role."""
    size = _size(wanted)
    begin, found = stretch.skip, 0
    if turns > max(1, wanted):
        for end, line in enumerate(stretch.lines[stretch.skip :], start=stretch.skip + 1):
            found += line.name == name
            if found == size:
                yield _Block(at, begin, end, found)
                begin, found = end, 0
    yield _Block(at, begin, len(stretch.lines), found if begin > stretch.skip else turns)


def _drawn(blocks: Sequence[_Block], stretches: Sequence[Stretch], wanted: int, seed: int) -> set[_Block]:
    """Draws blocks until there are turns enough; one that would be far too much is taken only if nothing else is left.

    Blocks of one text share a draw, so that a scene which stands twice in the material is on one side. At least half
    of all turns stay to be learnt from.
    """
    order = sorted(blocks, key=lambda each: (chance(seed, stretches[each.stretch].scene, str(each.begin)), each))
    taken, have = set[_Block](), 0
    most, half = wanted * OVER, sum(block.turns for block in blocks) / 2
    for limit in (most, half):
        for block in order:
            if have < wanted and block.turns and block not in taken and have + block.turns <= min(limit, half):
                taken.add(block)
                have += block.turns
    drawn = {(stretches[each.stretch].scene, each.begin) for each in taken}
    return {each for each in blocks if (stretches[each.stretch].scene, each.begin) in drawn}


def _put(stretch: Stretch, blocks: Sequence[_Block], taken: set[_Block], gap: int, divided: Divided) -> None:
    """Puts the runs of blocks of one stretch where they belong, with gaps before the held-out ones."""
    runs = [(held, list(run)) for held, run in groupby(blocks, key=lambda block: block in taken)]
    if len(runs) == 1:
        (divided.held_out if runs[0][0] else divided.train).append(stretch)
        return
    begin = stretch.skip
    for at, (held, run) in enumerate(runs):
        begin_own = run[0].begin
        end = run[-1].end if held or at + 1 == len(runs) else max(begin, run[-1].end - gap)
        piece = replace(stretch, scene=f"{stretch.scene}/{at}", lines=stretch.lines[begin:end], skip=begin_own - begin)
        (divided.held_out if held else divided.train).append(piece)
        begin = end
