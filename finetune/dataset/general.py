"""Turns of other speakers: from general material, or from the same scenes; mixed in by ratio.

An adapter that learns from one voice only forgets how the others talk. The draw keeps the turns with the lowest lots,
so it reads material of any size once and holds no more than it gives.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from finetune.dataset.draw import chance, digest
from finetune.dataset.moment import Moment, Origin
from finetune.dataset.role import RoleSpec
from finetune.dataset.settings import Settings
from finetune.dataset.stretch import Stretch, heard_by
from finetune.dataset.turns import moment_at
from finetune.dialogue import Scene


def stretches_of(scenes: Iterable[Scene], language: str) -> Iterator[Stretch]:
    """Scenes of general material as everybody in them heard them; whispers, which not all heard, are left out."""
    nobody = RoleSpec(id="", name="", language=language)
    for scene in scenes:
        lines = heard_by(nobody, (line for line in scene.lines if line.audience is None), Counter())
        name = digest(scene.premise, *(part for line in lines for part in (line.name, line.text)))
        yield Stretch(scene=name, premise=scene.premise, lines=lines)


def public(stretch: Stretch) -> Stretch:
    """What of a role's stretch everybody heard: others must not be taught what was whispered to it."""
    first = [line for line in stretch.lines[: stretch.skip] if line.audience is None]
    rest = [line for line in stretch.lines[stretch.skip :] if line.audience is None]
    return replace(stretch, persona="", lines=(*first, *rest), skip=len(first))


def drawn(
    stretches: Iterable[Stretch], count: int, role: RoleSpec, settings: Settings, origin: Origin
) -> Iterator[Moment]:
    """So many turns of others than the role, the same ones for the same seed; fewer if there are fewer."""
    lots: list[tuple[float, int, Moment]] = []
    for number, (stretch, at) in enumerate(_turns(stretches, role) if count else ()):
        lot = -chance(settings.seed, origin, stretch.scene, str(at))
        if len(lots) == count and lot <= lots[0][0]:
            continue
        if moment := _moment(stretch, at, role, settings, origin):
            (heapq.heappushpop if len(lots) == count else heapq.heappush)(lots, (lot, -number, moment))
    yield from (moment for _, _, moment in sorted(lots, key=lambda each: each[:2], reverse=True))


def _turns(stretches: Iterable[Stretch], role: RoleSpec) -> Iterator[tuple[Stretch, int]]:
    for stretch in stretches:
        for at in range(stretch.skip, len(stretch.lines)):
            line = stretch.lines[at]
            if line.name and not line.made_by and not role.is_called(line.name):
                yield stretch, at


def _moment(stretch: Stretch, at: int, role: RoleSpec, settings: Settings, origin: Origin) -> Moment | None:
    speaker = RoleSpec(id="", name=stretch.lines[at].name, language=role.language, layout=role.layout)
    return moment_at(stretch, at, speaker, settings, Counter(), origin)
