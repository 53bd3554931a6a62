"""What roles say, as moments: one part to calibrate on, another that only the gate sees.

Whatever was held out from training stays held out here: a dataset's own split, else scenes of `talk` folders that the
bundled base never learnt, else every tenth record. It searches nothing and knows no token ids.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from finetune.base.role_data import is_held_out
from finetune.base.talk import told
from finetune.dataset.build import Material, build
from finetune.dataset.moment import Moment
from finetune.dataset.role import RoleSpec
from finetune.dataset.settings import Settings
from finetune.dataset.stretch import stretch_of, stretch_of_record
from finetune.dataset.turns import moments
from finetune.dialogue import Record, Scene
from finetune.errors import WorkshopError

MOST = 4000
"""Records of a role that are looked at."""
Noun = TypeVar("Noun", Record, Moment)


class Dialogue(msgspec.Struct, frozen=True, kw_only=True):
    """Moments to calibrate on, and moments to judge by; none is in both."""

    learn: list[Moment]
    held_out: list[Moment]


def of_records(role: RoleSpec, records: Sequence[Record], seed: int = 0) -> Dialogue:
    """From a role's lines.jsonl; every tenth of them is to judge by.

    Raises:
        WorkshopError: The role says nothing there.
    """
    dataset = build(role, Material(records=drawn(records, MOST, seed)), Settings(recall=0.0, seed=seed))
    return Dialogue(learn=dataset.train, held_out=dataset.held_out)


def of_talk(role: RoleSpec, records: Sequence[Record], scenes: Iterable[Scene], names: Sequence[str]) -> Dialogue:
    """From a role's lines.jsonl, and hand-written scenes of which some were held out before that file was made of them.

    Args:
        names: Of all roles in the scenes; everybody else is a guest.
    """
    rng, counts, how = random.Random(0), Counter[str](), Settings(recall=0.0)
    kept = (told(scene, names, rng) for scene in scenes if is_held_out(scene))
    heard = (stretch_of(scene, role, counts) for scene in kept)
    found = [stretch_of_record(record, role, counts) for record in drawn(records, MOST, 0)]
    return Dialogue(
        learn=[moment for each in found if each for moment in moments(each, role, how, counts)],
        held_out=[moment for each in heard for moment in moments(each, role, how, counts) if moment.heard],
    )


def checked(dialogue: Dialogue) -> Dialogue:
    """The dialogue itself.

    Raises:
        WorkshopError: There is nothing to calibrate on, or nothing to judge by.
    """
    if not dialogue.learn or not dialogue.held_out:
        problem = f"there are {len(dialogue.learn)} moments to calibrate on and {len(dialogue.held_out)} to judge by"
        raise WorkshopError("lines.jsonl", problem, "give the roles some dozen lines: corpus read, dataset build")
    return dialogue


def drawn(found: Sequence[Noun], most: int, seed: int) -> list[Noun]:
    """So many of what was found, in its order."""
    if len(found) <= most:
        return list(found)
    return [found[at] for at in sorted(random.Random(seed).sample(range(len(found)), most))]
