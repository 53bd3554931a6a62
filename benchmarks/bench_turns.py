"""Question: what does a change of speaker cost, as the room's history grows?

Four roles speak in rotation, one new line before every turn. Measured per turn: prompt positions newly computed, by a
hook on the model, and the time to the first token. Compared on one base with random weights (about 30 M parameters):

* shared lane    one transcript for all four activated LoRAs; tail behind it; asking who speaks next is included
* no cache       the same prompts, every one from its first position on; nobody asks who speaks next
* card first     the role's card before the history and a prefix cache with one slot: the usual layout
* card, 4 slots  the same with a cache per role: four times the memory, and it grows with the number of roles

Run: python benchmarks/bench_turns.py [--quick]. Ends with one JSON line.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from chatroom.engines.base import EngineOptions  # noqa: E402
from chatroom.engines.transformers_peft.lanes import Lanes  # noqa: E402
from chatroom.engines.transformers_peft.model import Model, load_model  # noqa: E402
from chatroom.engines.transformers_peft.turn import Steps, Turns  # noqa: E402
from chatroom.messages import Adapter, Line, Prompt, Sampling  # noqa: E402
from tests.tiny import make_adapter, make_base  # noqa: E402

ROLES = ("Ada", "Bo", "Cy", "Dee")
FIRST_TOKEN = Sampling(max_tokens=1, seed=1)
NEW_LINE = 40
"""Positions of the line that is said before every turn."""

SIZES = {
    "vocab_size": 16_384,
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "max_position_embeddings": 10_240,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
}


class Turn(msgspec.Struct, frozen=True):
    """What one turn cost."""

    positions: int
    seconds: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the turns of one setting."""

    layout: str
    history: int
    tail: int
    positions: int
    first_token_ms: float
    cache_mb: float


class Bench:
    """A base with four adapters, and the hook that counts positions."""

    def __init__(self, folder: Path, sizes: dict[str, Any]) -> None:
        base = make_base(folder / "base", **sizes)
        self.adapters = {
            name: make_adapter(folder / name, base, activated=True, seed=seed, rank=16)
            for seed, name in enumerate(ROLES, start=1)
        }
        self.model: Model = load_model(EngineOptions(base=str(base), context=10_240, dtype="float32", device="cpu"))
        self.computed = 0
        self.parameters = sum(weight.numel() for weight in self.model.adapters._base.parameters())
        self.model.adapters._base.get_input_embeddings().register_forward_pre_hook(self._count)
        for adapter in self.adapters.values():
            self.model.adapters.load(adapter)

    def _count(self, _: object, inputs: tuple[torch.Tensor, ...]) -> None:
        self.computed += inputs[0].shape[-1]

    def text(self, positions: int, start: str) -> str:
        """A line of about that many positions."""
        words, number = start, 0
        while len(self.model.template.line_ids(words)) < positions:
            number += 1
            words += f" the lamp {number} is lit"
        return words

    def lines(self, positions: int) -> list[Line]:
        """A history of about that many positions, in lines of fifty."""
        lines: list[Line] = []
        while positions > 0:
            lines.append(Line(text=self.text(50, f"Tobin: line {len(lines)}")))
            positions -= len(self.model.template.line_ids(lines[-1].text))
        return lines

    def cost(self, *steps: Steps) -> Turn:
        self.computed, began = 0, time.perf_counter()
        for each in steps:
            for _ in each:
                pass
        return Turn(self.computed, time.perf_counter() - began)


Ask = Callable[[Bench, Turns, str, str, list[Line]], Turn]
"""Runs one turn of a role with a card, over lines."""


def shared_lane(bench: Bench, turns: Turns, role: str, card: str, lines: list[Line]) -> Turn:
    prompt = behind(role, card, lines)
    return bench.cost(turns.score(prompt, [f"{name}:" for name in ROLES]), turns.reply(prompt, *voice(bench, role)))


def no_cache(bench: Bench, turns: Turns, role: str, card: str, lines: list[Line]) -> Turn:
    turns = Turns(bench.model, Lanes(bench.model.empty_cache, 0))
    return bench.cost(turns.reply(behind(role, card, lines), *voice(bench, role)))


def card_first(bench: Bench, turns: Turns, role: str, card: str, lines: list[Line]) -> Turn:
    return bench.cost(turns.reply(before("one slot", role, card, lines), None, FIRST_TOKEN))


def card_slots(bench: Bench, turns: Turns, role: str, card: str, lines: list[Line]) -> Turn:
    return bench.cost(turns.reply(before(role, role, card, lines), None, FIRST_TOKEN))


LAYOUTS: dict[str, Ask] = {
    "shared lane": shared_lane,
    "no cache": no_cache,
    "card first": card_first,
    "card, 4 slots": card_slots,
}


def behind(role: str, card: str, lines: list[Line]) -> Prompt:
    return Prompt(view="all", premise="A bar by the sea.", lines=tuple(lines), tail=(card,), start=f"{role}:")


def before(view: str, role: str, card: str, lines: list[Line]) -> Prompt:
    return Prompt(view=view, premise=card, lines=(Line(text="A bar by the sea."), *lines), start=f"{role}:")


def voice(bench: Bench, role: str) -> tuple[Adapter, Sampling]:
    return bench.adapters[role], FIRST_TOKEN


def measure(bench: Bench, layout: str, history: int, tail: int, rounds: int) -> Row:
    """Fills the caches with every role's first turn, then measures further turns."""
    ask, lanes = LAYOUTS[layout], Lanes(bench.model.empty_cache, 1 << 40)
    turns, lines, costs = Turns(bench.model, lanes), bench.lines(history), list[Turn]()
    cards = {role: bench.text(tail, f"You are {role}.") for role in ROLES}
    fill = 0 if layout == "no cache" else len(ROLES) if layout == "card, 4 slots" else 1
    for number in range(fill + rounds):
        role = ROLES[number % len(ROLES)]
        lines.append(Line(text=bench.text(NEW_LINE, f"Tobin: turn {number}")))
        cost = ask(bench, turns, role, cards[role], lines)
        costs += [cost] if number >= fill else []
    return Row(
        layout=layout,
        history=history,
        tail=tail,
        positions=round(median(cost.positions for cost in costs)),
        first_token_ms=round(1000 * median(cost.seconds for cost in costs), 1),
        cache_mb=round(lanes.nbytes / 1e6, 1),
    )


def run(bench: Bench, histories: list[int], tails: list[int], rounds: dict[int, int]) -> Iterator[Row]:
    print(f"{'history':>8} {'tail':>6}  {'layout':<14} {'new positions':>13} {'first token':>12} {'caches':>10}")
    for history in histories:
        for tail in tails:
            for layout in LAYOUTS:
                row = measure(bench, layout, history, tail, rounds[history])
                print(
                    f"{history:>8} {tail:>6}  {layout:<14} {row.positions:>13} {row.first_token_ms:>9.0f} ms "
                    f"{row.cache_mb:>7.0f} MB",
                    flush=True,
                )
                yield row


def machine() -> str:
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.system()}"


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else "none"


def main(args: list[str]) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller base and short histories, to see that it runs")
    quick = parser.parse_args(args).quick
    print(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        sizes = SIZES | ({"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2} if quick else {})
        bench = Bench(Path(folder), sizes)
        histories = [256, 512] if quick else [512, 2048, 8192]
        rounds = {256: 2, 512: 2} if quick else {512: 8, 2048: 4, 8192: 2}
        rows = list(run(bench, histories, [60] if quick else [150, 1500], rounds))
        summary = {
            "benchmark": "turns",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": machine(),
            "parameters": bench.parameters,
            "rows": [msgspec.to_builtins(row) for row in rows],
        }
    print(json.dumps(summary))


if __name__ == "__main__":
    main(sys.argv[1:])
