"""Scenes and records of a role → a dataset: moments divided, cleaned, mixed and counted.

Invariant: what is held out is the role's own words from the material, as they stand there, and nothing that is learnt
repeats it. The same material and settings give the same dataset. It knows no command line, and searches only through
what it is handed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec
from msgspec.structs import replace

from finetune.dataset.duplicates import Known, distinct, held_out_texts
from finetune.dataset.files import About, Dataset
from finetune.dataset.general import drawn, public, stretches_of
from finetune.dataset.moment import Moment
from finetune.dataset.recall import Remind, reminded
from finetune.dataset.role import RoleSpec
from finetune.dataset.settings import Settings
from finetune.dataset.split import Divided, divide
from finetune.dataset.stretch import Stretch, stretch_of, stretch_of_record
from finetune.dataset.turns import moments
from finetune.dialogue import HELD_OUT, Record, Scene
from finetune.errors import WorkshopError

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]|[^\W\u3040-\u30ff\u3400-\u9fff]+(?:['’]\w+)?")
"""A word, or a character of a script that writes none apart."""


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is made of.

    Args:
        scenes: With the role among others.
        records: Of its lines.jsonl, in their order there: every tenth is held out.
        made: What models wrote for it; learnt, never measured.
        general: Scenes without it; read once.
        sources: The files that all this is from.
    """

    scenes: Sequence[Scene] = ()
    records: Sequence[Record] = ()
    made: Sequence[Record] = ()
    general: Iterable[Scene] = ()
    sources: Sequence[str] = ()


def build(role: RoleSpec, material: Material, settings: Settings, remind: Remind | None = None) -> Dataset:
    """Builds a dataset; nothing is written.

    Args:
        remind: Finds what the role is reminded of; without it nothing is.

    Raises:
        WorkshopError: The role says nothing in the material.
    """
    counts = Counter[str](scenes=len(material.scenes), records=len(material.records))
    parts = _divided(role, material, settings, counts)
    held_out = [moment for moment in _moments(parts.held_out, role, settings, counts) if moment.origin == "own"]
    known = Known(held_out_texts(held_out))
    train = _train(role, material, settings, parts.train, known, counts)
    if not train and not held_out:
        raise _absent(role, material, counts)
    if remind is not None:
        train = list(reminded(train, remind, settings.recall, settings.seed, known, counts))
        held_out = list(reminded(held_out, remind, settings.recall, settings.seed, known, counts))
    return Dataset(_about(role, material, settings, train, held_out, counts), train, held_out)


def _divided(role: RoleSpec, material: Material, settings: Settings, counts: Counter[str]) -> Divided:
    """Scenes by the draw, records by their place in the file."""
    stretches = [stretch_of(scene, role, counts) for scene in material.scenes]
    parts = divide(stretches, role.name, settings.held_out, settings.seed, counts)
    for at, record in enumerate(material.records):
        if stretch := stretch_of_record(record, role, counts):
            measured = settings.held_out and at % HELD_OUT == HELD_OUT - 1 and not record.made_by
            (parts.held_out if measured else parts.train).append(stretch)
    parts.train.extend(filter(None, (stretch_of_record(record, role, counts) for record in material.made)))
    return parts


def _moments(
    stretches: Iterable[Stretch], role: RoleSpec, settings: Settings, counts: Counter[str]
) -> Iterable[Moment]:
    return (moment for stretch in stretches for moment in moments(stretch, role, settings, counts))


def _train(
    role: RoleSpec,
    material: Material,
    settings: Settings,
    stretches: Sequence[Stretch],
    held_out: Known,
    counts: Counter[str],
) -> list[Moment]:
    """What is learnt: the role's own turns first, so that of two alike its own is kept."""
    found = sorted(_moments(stretches, role, settings, counts), key=lambda moment: moment.origin != "own")
    known = Known()
    own = list(distinct(found, known, held_out, counts))
    wanted = (round(len(own) * settings.others), round(len(own) * settings.general_ratio))
    others = drawn(map(public, stretches), wanted[0], role, settings, "other")
    general = drawn(stretches_of(material.general, role.language), wanted[1], role, settings, "general")
    return [*own, *distinct(others, known, held_out, counts), *distinct(general, known, held_out, counts)]


def _about(
    role: RoleSpec,
    material: Material,
    settings: Settings,
    train: Sequence[Moment],
    held_out: Sequence[Moment],
    counts: Counter[str],
) -> About:
    counts |= Counter({"train": len(train), "held out": len(held_out)})
    counts |= Counter({f"train: {origin}": number for origin, number in Counter(m.origin for m in train).items()})
    own = [*held_out, *(moment for moment in train if moment.origin == "own")]
    counts["own words"] = sum(len(_WORD.findall(moment.reply)) for moment in own)
    return About(
        role=role.id,
        name=role.name,
        language=role.language,
        digest="",
        settings=msgspec.structs.asdict(settings),
        counts={name: number for name, number in sorted(counts.items()) if number},
        sources=list(material.sources),
        scrubbed=settings.scrubbed,
    )


def _absent(role: RoleSpec, material: Material, counts: Counter[str]) -> WorkshopError:
    """What to say of a role that nothing can be learnt of."""
    if counts["turns"]:
        reasons = ", ".join(f"{number:,} {name}" for name, number in counts.items() if name.startswith("left out"))
        return WorkshopError(role.name, f"none of its {counts['turns']:,} turns can be learnt from", reasons)
    names = Counter(line.name for scene in material.scenes for line in scene.lines if line.name)
    close = get_close_matches(role.name, names, n=1)
    known = ", ".join(name for name, _ in names.most_common(8))
    remedy = f"did you mean --as {close[0]!r}?" if close else f"say which it is with --as; speakers: {known or 'none'}"
    return WorkshopError(role.name, "nobody in the material is called so", remedy)


def with_names(role: RoleSpec, *names: str) -> RoleSpec:
    """The role, also called something else in the material."""
    return replace(role, also=(*role.also, *names))
