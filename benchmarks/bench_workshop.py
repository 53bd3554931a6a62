"""Question: does one command make a role of a script, in minutes on two cores, and does the role speak as the script?

The script is `benchmarks/workshop/lamplighters.txt`, written for this; its lead is MRS. PELLOW. Measured:

* reading   spoken lines that were given to whom the page says, of the script, and of a corpus of 20,000 such lines
            that are the script again and again, with other names each time
* time      from the file to a seat, by `role make` as anybody gives it: one seed, both kinds of adapter
* voice     perplexity of held-out replies: of the bare base, of aLoRA and LoRA, mean and spread over three seeds;
            and the same for aLoRA where other speakers' turns were learnt besides, one or two for each own one
* by eye    what base and adapter say to six prompts, greedily

All of it is in a folder of its own, which goes when it ends; no role of this machine is touched. The whole takes about
an hour on two cores. Another process on the same cores makes the times worthless, and nothing else.

Run: python benchmarks/bench_workshop.py [--quick]. Ends with one JSON line.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chatroom.roles import Role, read_role  # noqa: E402
from finetune.dataset.files import read_dataset  # noqa: E402
from finetune.dataset.moment import Moment  # noqa: E402
from finetune.dataset.render import Renderer  # noqa: E402
from finetune.dialogue import Line  # noqa: E402
from finetune.places import Workbench  # noqa: E402
from finetune.reading import read_corpus  # noqa: E402
from finetune.training.kinds import invocation_for, load_base, load_tokenizer, with_adapter  # noqa: E402
from finetune.training.plan import Result  # noqa: E402
from finetune.training.run import RESULT  # noqa: E402
from finetune.training.samples import Asked, reply  # noqa: E402
from finetune.training.scores import perplexity, spread  # noqa: E402

SCRIPT = Path(__file__).resolve().parent / "workshop" / "lamplighters.txt"
LEAD, ROLE, ROOM, BASE = "Mrs. Pellow", "pellow", "hill", "models/hearth"
SPEAKERS = ("MRS. PELLOW", "DILLY", "MR. TROTT", "BASIL", "MISS OAKES", "OLD TAM")
LARGE = 20_000
"""Spoken lines of the large corpus."""
ATTRIBUTED, SECONDS, MINUTES, LOWER = 0.995, 5.0, 10.0, 0.15
"""What is expected."""
PROMPTS = (
    ("DILLY", "How many buckets are there in the shed?"),
    ("MR. TROTT", "I think that your count is wrong."),
    ("BASIL", "I have baked a cake. Would you like a slice?"),
    ("DILLY", "It is raining, and I am cold."),
    ("Guest", "Good evening. Who are you?"),
    ("Guest", "What should I do when I am sad?"),
)
OWN = "own lines only"
STAGE = "$ python launch.py "
"""What `role make` prints before each of its stages."""


class Effort(NamedTuple):
    """How much of it is done.

    Args:
        minutes: That training may take; 0 for as long as it needs.
        seeds: The first of them is what is made and timed.
        others: Other speakers' turns for each own one, where they are learnt besides.
    """

    kind: str
    minutes: float
    seeds: tuple[int, ...]
    others: tuple[int, ...]


FULL = Effort("both", 0, (1, 2, 3), (1, 2))
QUICK = Effort("alora", 2, (1,), ())


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading a file."""

    corpus: str
    spoken: int
    attributed: int
    skipped: int
    speakers: int
    seconds: float

    def share(self) -> float:
        return self.attributed / self.spoken


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and how long it took."""

    command: str
    seconds: float


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """How well held-out replies are predicted, over seeds."""

    learnt: str
    kind: str
    seeds: list[int]
    base: float
    mean: float
    spread: float
    minutes: float
    """Of training, in the mean."""

    def lower(self) -> float:
        return 1 - self.mean / self.base


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and what was said to it."""

    heard: str
    base: str
    adapter: str


def reading(folder: Path) -> Iterator[Read]:
    """The script, and the large corpus that is made of it."""
    text = SCRIPT.read_text(encoding="utf-8")
    large, names = many(text, LARGE)
    (folder / "large.txt").write_text(large, encoding="utf-8")
    print(f"{'corpus':10} {'spoken':>7} {'attributed':>11} {'skipped':>8} {'speakers':>9} {'time':>8}")
    for corpus, path, known in (("script", SCRIPT, SPEAKERS), ("large", folder / "large.txt", names)):
        row = read(corpus, path, known)
        told = f"{row.spoken:>7,} {row.share():>11.2%} {row.skipped:>8} {row.speakers:>9} {row.seconds:>6.2f} s"
        print(f"{corpus:10} {told}", flush=True)
        yield row


def read(corpus: str, path: Path, names: Sequence[str]) -> Read:
    """Reads a file, and compares with what a plain look at its lines says."""
    began = time.perf_counter()
    found = read_corpus([path])
    seconds = time.perf_counter() - began
    wanted = Counter(spoken(path.read_text(encoding="utf-8"), names))
    got = Counter((line.name, line.text) for scene in found.scenes for line in scene.lines if line.name)
    return Read(
        corpus=corpus,
        spoken=wanted.total(),
        attributed=(wanted & got).total(),
        skipped=sum(tally.count for file in found.report.files for tally in file.skipped),
        speakers=len(found.report.speakers),
        seconds=seconds,
    )


def spoken(text: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Who says what: in this script every spoken line is a line that opens with a name and a colon."""
    known = frozenset(names)
    for row in text.splitlines():
        name, colon, words = row.partition(": ")
        if colon and name in known:
            yield name, words


def many(text: str, lines: int) -> tuple[str, list[str]]:
    """The script so often that it has so many spoken lines, with other names and scene numbers each time."""
    once = sum(1 for _ in spoken(text, SPEAKERS))
    renamed = [
        {name: f"{_word(copy)} {_word(at)}".upper() for at, name in enumerate(SPEAKERS)}
        for copy in range(-(-lines // once))
    ]
    parts = [_copied(text, at, names) for at, names in enumerate(renamed)]
    return "\n".join(parts), [name for names in renamed for name in names.values()]


def _copied(text: str, at: int, names: Mapping[str, str]) -> str:
    """The script with other names, its scenes numbered on from those of the copies before it."""
    scenes = text.count("\nScene ")
    named = re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)
    return re.sub(r"(?m)^Scene (\d+)", lambda found: f"Scene {at * scenes + int(found[1])}", named)


def _word(number: int) -> str:
    """A different word for every number, as `takumiso`."""
    syllables = [first + second for first in "ktpsmnrlvdbg" for second in "aiou"]
    made = "ko"
    while number:
        number, place = divmod(number, len(syllables))
        made += syllables[place]
    return made


class World:
    """Roles, rooms and a home of their own, and the commands given there, each in a fresh process."""

    def __init__(self, folder: Path) -> None:
        places = {name: folder / name for name in ("home", "roles", "rooms")}
        places["rooms"].mkdir(parents=True)
        (places["rooms"] / f"{ROOM}.toml").write_text('name = "Thimble Hill"\nroles = []\n', encoding="utf-8")
        own = {f"CHATROOM_{name.upper()}": str(path) for name, path in places.items()}
        self._env = {**os.environ, **own, "PYTHONUNBUFFERED": "1"}
        self.bench = Workbench.of(places["home"], ROLE)
        self._role = places["roles"] / ROLE

    def role(self) -> Role:
        return read_role(self._role, ROOT / "models")

    def run(self, *words: str) -> list[Stage]:
        """Gives a command, shows what it says, and tells how long each stage of it took."""
        print(f"\n$ launch.py {' '.join(words)}", flush=True)
        stages, name, began = list[Stage](), words[0], time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "launch.py", *words],
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            for row in process.stdout:
                print(f"  {row}", end="", flush=True)
                if row.startswith(STAGE):
                    stages.append(Stage(command=name, seconds=time.perf_counter() - began))
                    name, began = row.removeprefix(STAGE).strip(), time.perf_counter()
        if process.returncode:
            raise SystemExit(f"{' '.join(words)}: it ended with {process.returncode}")
        return [*stages, Stage(command=name, seconds=time.perf_counter() - began)]

    def results(self) -> list[Result]:
        """What the runs over the dataset that lies there now gave."""
        digest = read_dataset(self.bench.dataset).about.digest
        files = sorted((self.bench.folder / "runs").glob(f"*/{RESULT}"))
        found = [msgspec.json.decode(path.read_bytes(), type=Result) for path in files]
        return [each for each in found if each.plan.data_digest == digest]


def by_kind(learnt: str, results: Iterable[Result]) -> Iterator[Voice]:
    """What each kind of adapter gave; of a kind and seed that is told twice, the later counts."""
    runs = {(each.plan.kind, each.plan.recipe.seed): each for each in results}
    for kind in dict.fromkeys(kind for kind, _ in runs):
        yield _voice(learnt, kind, [each for each in runs.values() if each.plan.kind == kind])


def _voice(learnt: str, kind: str, results: Sequence[Result]) -> Voice:
    middle, around = spread([perplexity(each.loss) for each in results])
    return Voice(
        learnt=learnt,
        kind=kind,
        seeds=sorted(each.plan.recipe.seed for each in results),
        base=perplexity(results[0].base_loss),
        mean=middle,
        spread=around,
        minutes=mean(each.seconds for each in results) / 60,
    )


def made(world: World, effort: Effort) -> list[Stage]:
    """From the file to a seat, as anybody gives it."""
    limit = [f"--minutes={effort.minutes:g}"] if effort.minutes else []
    words = ["--base", BASE, "--room", ROOM, "--kind", effort.kind, f"--seeds={effort.seeds[0]}", *limit]
    stages = world.run("role", "make", ROLE, "--from", str(SCRIPT), f"--as={LEAD}", *words)
    return [msgspec.structs.replace(stages[0], command="(reading the file)"), *stages[1:]]


def voices(world: World, effort: Effort) -> list[Voice]:
    """The seeds that are left besides the one that was made; then the same with others' turns learnt as well."""
    runs = world.results()
    if effort.seeds[1:]:
        world.run("finetune", ROLE, *_training(effort, effort.kind, effort.seeds[1:]))
        runs += world.results()
    found = [*by_kind(OWN, runs)]
    for others in effort.others:
        world.run("dataset", "build", ROLE, f"--others={others}")
        world.run("finetune", ROLE, *_training(effort, "alora", effort.seeds))
        found += by_kind(f"own and {others} x others'", world.results())
    return found


def _training(effort: Effort, kind: str, seeds: Sequence[int]) -> list[str]:
    limit = [f"--minutes={effort.minutes:g}"] if effort.minutes else []
    return ["--kind", kind, f"--seeds={','.join(map(str, seeds))}", *limit]


def samples(role: Role) -> list[Sample]:
    """Base and activated adapter to the same prompts, greedily."""
    base, adapter = Path(role.base), role.adapter
    assert adapter is not None
    assert adapter.invocation
    tokenizer, model = load_tokenizer(base), load_base(base)
    renderer = Renderer.of(base, invocation=invocation_for(base, "alora"))
    asked = [_asked(role, renderer, name, text) for name, text in PROMPTS]
    stops = renderer.template.stop_ids
    plain = [reply(model, each, stops, activated=False) for each in asked]
    adapted = with_adapter(model, Path(adapter.path))
    learnt = [reply(adapted, each, stops, activated=True) for each in asked]
    return [
        Sample(heard=each.heard, base=_one_line(tokenizer.decode(before)), adapter=_one_line(tokenizer.decode(after)))
        for each, before, after in zip(asked, plain, learnt, strict=True)
    ]


def _asked(role: Role, renderer: Renderer, name: str, text: str) -> Asked:
    heard = (Line(name=name, text=text),)
    moment = Moment(heard=heard, name=role.name, persona=role.persona, reply="", language=role.language)
    rendered = renderer.template.render(renderer.prompt(moment), renderer.invocation)
    return Asked(list(rendered.ids), rendered.shared, f"{name}: {text}", "")


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "(nothing)"


def show(stages: Sequence[Stage], found: Sequence[Voice]) -> None:
    """Both tables."""
    print(f"\n{'from file to seat':60} {'time':>8}")
    for stage in stages:
        print(f"{stage.command[:60]:60} {stage.seconds:>6.1f} s")
    print(f"{'all':60} {_total(stages):>6.1f} s")
    print(f"\n{'what is learnt':20} {'kind':6} {'seeds':>6} {'perplexity':>11} {'spread':>7} {'lower':>7} {'a run':>9}")
    for base in dict.fromkeys(round(each.base, 2) for each in found):  # one, if all measure the same replies
        print(f"{'nothing: bare base':20} {'-':6} {'-':>6} {base:>11.2f}")
    for each in found:
        scores = f"{len(each.seeds):>6} {each.mean:>11.2f} {each.spread:>7.2f} {each.lower():>7.1%}"
        print(f"{each.learnt:20} {each.kind:6} {scores} {each.minutes:>5.1f} min")


def judge(rows: Sequence[Read], stages: Sequence[Stage], found: Sequence[Voice]) -> list[str]:
    """A sentence for each expectation."""
    script, large = rows
    minutes, cores = _total(stages) / 60, os.cpu_count()
    worst = min((each for each in found if each.learnt == OWN), key=Voice.lower)
    said = [
        (
            script.share() >= ATTRIBUTED,
            f"{script.share():.2%} of {script.spoken} spoken lines are attributed; at least {ATTRIBUTED:.1%} expected",
        ),
        (
            large.seconds < SECONDS,
            f"{large.spoken:,} lines are read in {large.seconds:.2f} s; under {SECONDS:g} s expected",
        ),
        (
            minutes < MINUTES,
            f"file to seat takes {minutes:.1f} minutes on {cores} cores; under {MINUTES:g} on two expected",
        ),
        (
            worst.lower() >= LOWER,
            f"perplexity is {worst.lower():.1%} below the base's ({worst.kind}, the lesser of the kinds); "
            f"at least {LOWER:.0%} expected",
        ),
    ]
    return [f"{'holds' if holds else 'FAILS'}: {told}." for holds, told in said]


def _total(stages: Sequence[Stage]) -> float:
    return sum(stage.seconds for stage in stages)


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else "none"


def measure(folder: Path, effort: Effort) -> dict[str, object]:
    """All of it, printed as it comes."""
    rows = list(reading(folder))
    world = World(folder)
    stages = made(world, effort)
    said = samples(world.role())  # before other trainings take the role's place
    found = voices(world, effort)
    show(stages, found)
    print("\n" + "\n".join(sentences := judge(rows, stages, found)))
    for each in said:
        print(f"\n{each.heard}\n  base     {each.base}\n  adapter  {each.adapter}")
    parts = {"reading": rows, "stages": stages, "voices": found, "samples": said}
    return {**{name: msgspec.to_builtins(part) for name, part in parts.items()}, "judged": sentences}


def main(args: list[str]) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, one kind, two minutes")
    options = parser.parse_args(args)
    print(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), QUICK if options.quick else FULL)
    summary = {
        "benchmark": "workshop",
        "quick": options.quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        **measured,
    }
    print("\n" + json.dumps(summary))


if __name__ == "__main__":
    main(sys.argv[1:])
