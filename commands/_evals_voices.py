"""What `evals --voices` does: how well each role's held-out moments are predicted by the bare base, by its own adapter
and by the other roles'.

Along a row only the adapter changes; a voice has been learnt where its own adapter is the lowest of its row. Two rows
can't be compared: one role's lines are harder than another's. It asks nobody anything.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatroom.errors import FolderError
from chatroom.messages import Adapter
from chatroom.roles import Role
from chatroom.settings import Settings, load_settings
from commands._evals import spaced, table_of
from commands.base import say, show, show_table
from finetune.dataset.files import Dataset, read_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer, is_ours
from finetune.errors import WorkshopError
from finetune.places import Workbench
from finetune.training.batches import Collator
from finetune.training.kinds import load_base, load_tokenizer, with_adapter
from finetune.training.scores import mean_loss, perplexity

BARE = "bare base"
Scores = dict[str, dict[str, float]]
"""Perplexities by the role whose moments they are, and by the adapter."""


class _Stamp(msgspec.Struct, frozen=True):
    """The part of provenance.json that matters here; the role was read, so the file is sound."""

    dataset: str = ""


def compare(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FolderError: There is no such room or role, or no role has anything to be measured by.
    """
    settings = load_settings()
    _, seated = table_of(settings, args)
    trained = [role for role in seated if role.adapter and not role.weights]
    held: dict[str, list[Moment]] = {}
    for role in trained:
        if (not args.roles or role.id in args.roles) and (moments := _held_out(settings, role)):
            held[role.id] = spaced(moments, args.most)
    if not held:
        problem = "no role of this room has an adapter and held-out moments"
        raise FolderError(str(settings.home), problem, "build a dataset and train: role make, or dataset build ROLE")
    scores: Scores = {}
    for base in dict.fromkeys(role.base for role in trained):
        scores |= measure(Path(base), [role for role in trained if role.base == base], held)
    show_table(table(scores, trained))
    show("* lowest of its row: whose adapter knows these lines best")
    return 0


def measure(base: Path, roles: Sequence[Role], held: dict[str, list[Moment]]) -> Scores:
    """Perplexities of the held-out replies of roles over one base, under the bare base and every role's adapter."""
    rows = {role.id: held[role.id] for role in roles if role.id in held}
    scores: Scores = {id_: {} for id_ in rows}
    if not rows:
        return {}
    tokenizer = load_tokenizer(base)
    pad = next(each for each in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if each is not None)
    for name, adapter in ((BARE, None), *((role.id, role.adapter) for role in roles)):
        say(f"measuring under {name}")
        loaded = load_base(base).float()
        model = with_adapter(loaded, Path(adapter.path)) if adapter else loaded.eval()
        invoked = adapter.invocation if adapter else ()
        collator = Collator(pad=pad, activated=bool(invoked))
        for id_, moments in rows.items():
            scores[id_][name] = perplexity(mean_loss(model, _examples(base, moments, invoked), collator))
    return scores


def table(scores: Scores, roles: Sequence[Role]) -> list[list[str]]:
    """The scores as rows, the lowest of each marked; a role over another base has no place in a row."""
    called = {role.id: role.name for role in roles}
    rows = [["held-out moments of", BARE, *called.values()]]
    for id_, row in scores.items():
        cells = (_cell(row.get(adapter), min(row.values())) for adapter in (BARE, *called))
        rows.append([called[id_], *cells])
    return rows


def _cell(score: float | None, lowest: float) -> str:
    if score is None:
        return "-"
    return f"{score:.1f}{' *' if score == lowest else ''}"


def _examples(base: Path, moments: Sequence[Moment], invoked: tuple[int, ...]) -> list[Example]:
    """Moments as the adapter would be asked; on a base of others an activated one has its own opening of the tail."""
    renderer = Renderer.of(base, invocation=() if is_ours(base) else invoked)
    return [each for each in map(renderer.example, moments) if any(each.learn)]


def _held_out(settings: Settings, role: Role) -> list[Moment]:
    """What the role was not trained on; says so where there is nothing."""
    found = [_dataset(folder) for folder in _places(settings.home, role.id)]
    there = [dataset for dataset in found if dataset is not None]
    trained_on = _trained_on(role.adapter)
    mine = [each for each in there if each.about.digest == trained_on] or there
    if not mine:
        say(f"{role.name} is left out: there is no dataset in {_places(settings.home, role.id)[0]}")
        return []
    if mine[0].about.digest != trained_on:
        say(f"{role.name}: the adapter was trained on another dataset, so it may know these moments")
    if not mine[0].held_out:
        say(f"{role.name} is left out: nothing is held out in its dataset")
    return mine[0].held_out


def _places(home: Path, role: str) -> tuple[Path, Path]:
    """Where the dataset of a role may lie: of one that a user made, and of a bundled one."""
    return Workbench.of(home, role).dataset, home / "hearth" / "roles" / role / "dataset"


def _dataset(folder: Path) -> Dataset | None:
    try:
        return read_dataset(folder) if folder.is_dir() else None
    except WorkshopError as error:
        say(f"left out: {error}")
        return None


def _trained_on(adapter: Adapter | None) -> str:
    """The digest of an adapter's dataset; "" where its stamp names none."""
    stamp = Path(adapter.path) / "provenance.json" if adapter else None
    if stamp is None or not stamp.is_file():
        return ""
    return msgspec.json.decode(stamp.read_bytes(), type=_Stamp).dataset
