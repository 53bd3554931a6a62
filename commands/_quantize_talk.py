"""Role folders and workbenches → what their talk is, to calibrate on and to judge by, with what they are reminded of.

How it is split, quantize/calibration/dialogue.py knows.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chatroom.librarian.asking import Setup
from chatroom.role_lines import FILE as LINES
from chatroom.roles import Role
from chatroom.rooms import find_rooms, read_room
from chatroom.settings import Settings
from commands._dataset_build import spec_of
from commands.base import say
from finetune.base.talk import read_talk
from finetune.dataset.duplicates import Known, held_out_texts
from finetune.dataset.files import ABOUT, read_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.recall import reminded, reminding
from finetune.dataset.rows import read_rows
from finetune.dialogue import Record
from finetune.errors import WorkshopError
from finetune.places import Workbench
from knowledge.errors import KnowledgeError
from quantize.calibration.dialogue import Dialogue, drawn, of_records, of_talk


def talk_of(settings: Settings, role: Role, names: Sequence[str], most: tuple[int, int], recall: float) -> Dialogue:
    """A role's talk, with reminders in a share of its moments.

    Args:
        names: Of all roles that hand-written scenes may be among.
        most: Moments to calibrate on, and to judge by.

    Raises:
        WorkshopError: It says nothing that could be used.
    """
    found = _dialogue(settings, role, names)
    learn, held_out = drawn(found.learn, most[0], 0), drawn(found.held_out, most[1], 0)
    return _reminded(settings, role, Dialogue(learn=learn, held_out=held_out), recall)


def _dialogue(settings: Settings, role: Role, names: Sequence[str]) -> Dialogue:
    """The split of its dataset, if it has one; else hand-written scenes, of which some are held out; else its lines."""
    bench = Workbench.of(settings.home, role.id)
    if (bench.dataset / ABOUT).is_file():
        dataset = read_dataset(bench.dataset)
        own = [moment for moment in dataset.train if moment.origin == "own"]
        return Dialogue(learn=own, held_out=dataset.held_out)
    path = role.folder / LINES
    if not path.is_file():
        raise WorkshopError(f"roles/{role.id}", "it has no lines.jsonl and no dataset", "corpus read, dataset build")
    records, spec = list(read_rows(path, Record)), spec_of(role, premise=_premise(settings, role))
    if (scenes := read_talk(role.folder / "talk", {name.split()[0]: name for name in names})) and role.base_ours:
        return of_talk(spec, records, scenes, names)
    return of_records(spec, records)


def _reminded(settings: Settings, role: Role, talk: Dialogue, share: float) -> Dialogue:
    """The same moments, some with what the room would remind the role of."""
    if not share:
        return talk
    try:
        remind = reminding(role, Setup(home=settings.home, embedder=settings.embedder, reranker=settings.reranker))
    except KnowledgeError as error:
        say(f"nothing is recalled: {error}")
        return talk
    counts, known = Counter[str](), Known(held_out_texts(talk.held_out))
    learn, held_out = (
        list(reminded(part, remind, share, 0, known, counts)) for part in (talk.learn, talk.held_out)
    )  # fmt: skip
    if counts["without an index"]:
        say(f"{role.id} is reminded of nothing: its index is missing or out of date (knowledge build {role.id})")
    return Dialogue(learn=learn, held_out=held_out)


def _premise(settings: Settings, role: Role) -> str:
    """Of the first room that the role sits in."""
    rooms = (read_room(settings.rooms / f"{id_}.toml") for id_ in find_rooms(settings.rooms))
    return next((room.premise for room in rooms if role.id in room.roles), "")


def moments_each(count: int, roles: int) -> int:
    """How many of so many moments are from each role."""
    return -(-count // max(1, roles))


def spread(parts: Sequence[list[Moment]]) -> list[Moment]:
    """All parts' moments, taken in turn, so that any beginning has a share of each."""
    longest = max(map(len, parts), default=0)
    return [part[at] for at in range(longest) for part in parts if at < len(part)]


def general_place(given: Path | None, base: Path) -> Path | None:
    """Where general text is: what was named, or the scenes that a base was made with."""
    if given:
        return given
    return base / "scenes" if any((base / "scenes").glob("*.jsonl")) else None
