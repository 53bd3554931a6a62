"""From a command line to runs: which base, which kinds and seeds, where they lie, and which result is taken.

It trains nothing itself and knows nothing of models.
"""

import argparse
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from chatroom.role_toml import RoleToml
from chatroom.settings import Settings, load_settings
from chatroom.toml_table import parse_toml, read_table
from commands._base_folder import base_folder
from finetune.dataset.files import read_dataset
from finetune.dataset.render import is_ours
from finetune.errors import WorkshopError
from finetune.model_card import languages_of, speaks
from finetune.places import Workbench
from finetune.training.kinds import Kind
from finetune.training.lock import held
from finetune.training.plan import FILE, Plan, Result, check_same, checkpoints, is_same, write_plan
from finetune.training.recipe import DEFAULT, Recipe, read_recipe
from finetune.training.report import gained
from finetune.training.run import RESULT, SAMPLES, START, read_result, train
from finetune.training.save import check_writable, install, is_installed
from finetune.training.scores import perplexity, spread

Tell = Callable[[str], None]
FLAGS = ("epochs", "rank", "learning_rate", "batch", "context", "seed")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, with every path found.

    Args:
        base_name: What role.toml is to call the base; "" where it says so already.
    """

    role: str
    folder: Path
    bench: Workbench
    base: Path
    base_name: str
    kinds: tuple[Kind, ...]
    recipe: Recipe
    recipe_file: Path
    seeds: tuple[int, ...]
    minutes: float = 0.0
    resume: bool = False
    restart: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Order":
        """Reads a command line.

        Raises:
            WorkshopError: Something it names is not there or can't be used.
        """
        settings = load_settings()
        folder, bench = settings.roles / args.role, Workbench.of(settings.home, args.role)
        named = _base_of(folder, args.role)
        base = base_folder(settings, folder, args.base or named)
        recipe_file = args.recipe or DEFAULT
        flags = {key: getattr(args, key) for key in FLAGS if getattr(args, key) is not None}
        recipe = read_recipe(recipe_file, flags)
        if not args.anyway:
            _check_language(base, bench)
        return cls(
            role=args.role,
            folder=folder,
            bench=bench,
            base=base,
            base_name=_name_of(args.base or "", named, base, settings),
            kinds=_kinds(args.kind, base),
            recipe=recipe,
            recipe_file=recipe_file,
            seeds=args.seeds or (recipe.seed,),
            minutes=args.minutes,
            resume=args.resume,
            restart=args.restart,
        )


def _base_of(folder: Path, role: str) -> str:
    """What role.toml calls the base."""
    try:
        toml, _ = read_table(RoleToml, parse_toml((folder / "role.toml").read_bytes()))
    except (OSError, ValueError) as error:
        problem = "there is no such role" if isinstance(error, FileNotFoundError) else str(error)
        raise WorkshopError(f"roles/{role}/role.toml", problem, f"make it: python launch.py role new {role}") from None
    return toml.model.base


def _name_of(asked: str, named: str, base: Path, settings: Settings) -> str:
    """How role.toml can name the base: a folder of models/, or nothing new."""
    if not asked or asked == named:
        return ""
    inside = base.resolve().is_relative_to(settings.models.resolve())
    if not inside:
        raise WorkshopError(
            "--base", f"{asked!r} is not in {settings.models}", "put it there: a role is served from it"
        )
    return f"models/{base.resolve().relative_to(settings.models.resolve()).as_posix()}"


def _kinds(kind: str | None, base: Path) -> tuple[Kind, ...]:
    if kind == "both" or (kind is None and is_ours(base)):
        return ("alora", "lora")
    return (msgspec.convert(kind or "lora", Kind),)


def _check_language(base: Path, bench: Workbench) -> None:
    """Refuses a base whose card does not name the dataset's language."""
    language, known = read_dataset(bench.dataset).about.language, languages_of(base)
    if not speaks(known, language):
        problem = f"it knows {', '.join(known)}, and the dataset is in {language!r}"
        raise WorkshopError(str(base), problem, "name another one with --base, or insist with --anyway")


@contextmanager
def runs_of(order: Order) -> Iterator[list[Path]]:
    """The folders of all runs, one for every kind and seed, held until the block ends; run.json says what each is.

    What was begun goes on, what is finished stays, and what was of other data, base or recipe is put away.

    Raises:
        WorkshopError: The role folder can't be written, another process trains one of them, a run that was begun can't
            go on, or there is none to go on with.
    """
    check_writable(order.folder)
    plans = [(_folder(order, kind, seed), _plan(order, kind, seed)) for kind in order.kinds for seed in order.seeds]
    if order.resume and not any((run / FILE).is_file() for run, _ in plans):
        raise WorkshopError("--resume", f"no training of {order.role} was begun", "leave --resume out")
    with ExitStack() as locks:
        for run, _ in plans:
            locks.enter_context(held(run))
        for run, plan in plans:
            if order.restart or (_finished(run) and not is_same(read_result(run).plan, plan)):
                _put_away(run)
            check_same(run, plan)
        for run, plan in plans:
            write_plan(run, plan)
        yield [run for run, _ in plans]


def kept(runs: Sequence[Path]) -> bool:
    """Whether all runs are finished and the role folder has what they gave."""
    if not all(map(_finished, runs)):
        return False
    results = [(run, read_result(run)) for run in runs]
    return is_installed([run for run, _ in _best(results)], [result for _, result in results])


def share_of(minutes: float, runs: int) -> float:
    """The minutes of one run, where so many runs share them."""
    return max(0.01, round(minutes / runs, 2)) if minutes else 0.0


def _folder(order: Order, kind: Kind, seed: int) -> Path:
    run = order.bench.run(kind)
    return run if len(order.seeds) == 1 else run.with_name(f"{kind}-seed-{seed}")


def _plan(order: Order, kind: Kind, seed: int) -> Plan:
    return Plan(
        role=order.role,
        folder=str(order.folder),
        base=str(order.base),
        base_name=order.base_name,
        dataset=str(order.bench.dataset),
        kind=kind,
        recipe=msgspec.structs.replace(order.recipe, seed=seed),
        recipe_file=_shown(order.recipe_file),
        minutes=share_of(order.minutes, len(order.kinds) * len(order.seeds)),
    ).stamped()


def _shown(path: Path) -> str:
    """A recipe's path as it may be told to others: within the project, or its name alone."""
    root = DEFAULT.parent.parent.parent
    return path.resolve().relative_to(root).as_posix() if path.resolve().is_relative_to(root) else path.name


def _finished(run: Path) -> bool:
    return (run / RESULT).is_file()


def _put_away(run: Path) -> None:
    """Takes away what a run that is over, or is not to go on, would go on from; its pictures are replaced later."""
    for name in (RESULT, START, SAMPLES):
        (run / name).unlink(missing_ok=True)
    for path in (*checkpoints(run), run / "events"):
        shutil.rmtree(path, ignore_errors=True)


def train_all(runs: Sequence[Path], *, tell: Tell) -> list[tuple[Path, Result]]:
    """Trains one run after the other; those that came to their end before the others were stopped are not repeated."""
    done = []
    for run in runs:
        result = read_result(run) if _finished(run) else train(run)
        tell(f"{run}: {gained(result)}")
        done.append((run, result))
    return done


def install_best(results: Sequence[tuple[Path, Result]], *, tell: Tell) -> list[Path]:
    """Puts the best run of each kind into the role folder, and says how the seeds differ."""
    best = _best(results)
    for _, result in best:
        kind = result.plan.kind
        tell(f"{kind}: {gained(result)}")
        runs = [each for _, each in results if each.plan.kind == kind]
        if len(runs) > 1:
            tell(_seeds_told(kind, runs, result))
    return install([run for run, _ in best], [result for _, result in results])


def _best(results: Sequence[tuple[Path, Result]]) -> list[tuple[Path, Result]]:
    """The run of each kind that learnt best."""
    kinds = dict.fromkeys(result.plan.kind for _, result in results)
    return [
        min((pair for pair in results if pair[1].plan.kind == kind), key=lambda pair: pair[1].loss) for kind in kinds
    ]


def _seeds_told(kind: str, results: Sequence[Result], taken: Result) -> str:
    middle, around = spread([perplexity(result.loss) for result in results])
    seeds = _listed(result.plan.recipe.seed for result in results)
    return f"{kind}: seeds {seeds}: mean {middle:.1f}, spread {around:.2f}; seed {taken.plan.recipe.seed} is taken"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
