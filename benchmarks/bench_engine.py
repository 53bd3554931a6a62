"""Question: how fast does the embedded engine speak on a CPU, beside transformers' own `generate()`?

Every base speaks bare, with an ordinary LoRA and with an activated one: by `generate()` in bfloat16 with PEFT's adapter
on, by the engine, and by the engine with weights of four bits. All read the same prompt from its first position, say
the same number of tokens, greedily, and take turns within one process; the medians of several rounds count.

* first piece   reading the prompt, to the first token
* tokens/s      the tokens after it; "times" is against generate() in the same rounds
* making        once per adapter: the weights that are decoded with
* memory        the base's weights; weights for decoding beside them
* same words    of 64 tokens said by the engine, how often four bits would choose the same one; KL in nats

Random weights say nothing about four bits: only the bundled base's agreement means something. With one thread the
process's own time is counted, so other work on the machine matters less; with more it is the clock.

Run: python benchmarks/bench_engine.py [--quick | --large] [--threads 1]. Ends with one JSON line.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from chatroom.engines.base import EngineOptions  # noqa: E402
from chatroom.engines.transformers_peft.lanes import Lanes  # noqa: E402
from chatroom.engines.transformers_peft.model import Model, load_model  # noqa: E402
from chatroom.engines.transformers_peft.turn import Turns  # noqa: E402
from chatroom.messages import Adapter, Line, Prompt, Sampling  # noqa: E402
from tests.tiny import make_adapter, make_base  # noqa: E402

PROMPT = 256
"""Positions of the prompt, about."""
COMPARED = 64
"""Tokens whose choice is compared."""
MEMORY = 2 << 30

SIZES: dict[str, dict[str, Any]] = {
    "30 M": {
        "vocab_size": 16_384,
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
    },
    "0.5 B": {
        "vocab_size": 151_936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
}
"""Shapes of the random bases; the second is Qwen2.5-0.5B's."""


class Times(msgspec.Struct, frozen=True):
    """One reply: seconds to its first token, and for each of the others."""

    first: float
    token: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of one way to speak."""

    base: str
    adapter: str
    engine: str
    first_piece_ms: float
    tokens_per_second: float
    times: float
    making_ms: float = 0
    base_mb: float = 0
    decoding_mb: float = 0
    same_words: float | None = None
    kl: float | None = None


class Bench:
    """A base, loaded three times: for generate(), for the engine, and for the engine in four bits."""

    def __init__(self, name: str, base: Path, folder: Path, clock: Callable[[], float], threads: int) -> None:
        self.name, self.clock = name, clock
        self.adapters: dict[str, Adapter | None] = {"none": None}
        for kind in ("LoRA", "aLoRA"):
            self.adapters[kind] = make_adapter(folder / kind, base, activated=kind == "aLoRA", rank=16, width=0.01)
        self.engines = {
            "engine": engine(base, threads, "none"),
            "engine, int4": engine(base, threads, "int4"),
        }
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).eval()
        self.plain = wrapped(plain, [self.adapters["LoRA"], self.adapters["aLoRA"]])
        self.plain.generation_config.eos_token_id = None  # every reply is to be as long as the others
        self.prompt = self.long_prompt()

    def long_prompt(self) -> Prompt:
        count, lines = self.engines["engine"].template.line_ids, list[Line]()
        while sum(len(count(line.text)) for line in lines) < PROMPT - 16:
            lines.append(Line(text=f"Tobin: I roll the dice, and it is {len(lines)}."))
        return Prompt(view="all", premise="A bar by the sea.", lines=tuple(lines), start="Ada:")

    def speak(self, engine: str, adapter: str, tokens: int) -> Times:
        return self.generated(adapter, tokens) if engine == "generate()" else self.said(engine, adapter, tokens)

    def said(self, engine: str, adapter: str, tokens: int) -> Times:
        """A reply of our engine, on lanes that hold nothing."""
        model = self.engines[engine]
        turns = Turns(model, Lanes(model.empty_cache, 0))
        sampling = Sampling(max_tokens=tokens, temperature=0, repetition_penalty=1)
        moments = [self.clock()]
        for _ in turns.reply(self.prompt, self.adapters[adapter], sampling):
            moments.append(self.clock())
        return Times(moments[1] - moments[0], (moments[-1] - moments[1]) / (tokens - 1))

    def generated(self, adapter: str, tokens: int) -> Times:
        """A reply of transformers."""
        moments = [self.clock()]
        ids = torch.tensor([self.ids(adapter)])
        options = {"max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}

        def note(inputs: torch.Tensor, _scores: object, **_: object) -> torch.Tensor:
            moments.append(self.clock())
            return torch.zeros(inputs.shape[0], dtype=torch.bool)

        with torch.inference_mode(), self.switched(adapter):
            self.plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids), stopping_criteria=[note], **options)
        return Times(moments[1] - moments[0], (moments[-1] - moments[1]) / (tokens - 1))

    def switched(self, adapter: str) -> Any:
        if adapter == "none":
            return self.plain.disable_adapter()
        self.plain.set_adapter(adapter)
        return torch.no_grad()

    def ids(self, adapter: str) -> list[int]:
        chosen = self.adapters[adapter]
        return self.engines["engine"].template.render(self.prompt, chosen.invocation if chosen else ()).ids

    def make(self, engine: str, adapter: str) -> float:
        """Milliseconds that making the weights for decoding takes."""
        model, chosen = self.engines[engine], self.adapters[adapter]
        if chosen:
            model.adapters.load(chosen)
        began = self.clock()
        for _ in model.prepare(chosen.fingerprint if chosen else ""):
            pass
        return 1000 * (self.clock() - began)

    def agreement(self, adapter: str) -> tuple[float, float]:
        """Of the engine's next tokens, the share that four bits choose too, and the mean KL."""
        ours, small = (self.logits(engine, adapter, self.reply(adapter)) for engine in self.engines)
        same = float((ours.argmax(-1) == small.argmax(-1)).float().mean())
        wanted, got = ours.log_softmax(-1), small.log_softmax(-1)
        return same, float((wanted.exp() * (wanted - got)).sum(-1).mean())

    def reply(self, adapter: str) -> list[int]:
        """What the engine says, greedily."""
        said: list[int] = []
        self.logits("engine", adapter, said)
        return said

    def logits(self, engine: str, adapter: str, said: list[int]) -> torch.Tensor:
        """Logits (T, V) along a reply, which is made up as it goes if it is empty."""
        model, chosen = self.engines[engine], self.adapters[adapter]
        weights, free = (chosen.fingerprint if chosen else ""), not said
        turns, lanes = Turns(model, Lanes(model.empty_cache, 0)), Lanes(model.empty_cache, 0)
        plan, found = turns.plan(self.prompt, chosen), list[torch.Tensor]()
        with lanes.lane(plan.key, plan.shared_ids) as lane:
            *_, logits = [*drained(turns.encode(lane, plan, len(plan.ids)))]
            for at in range(COMPARED):
                found.append(logits[-1].float())
                if free:
                    said.append(int(logits[-1].argmax()))
                logits = model.decode(said[at], lane.cache, weights)
        return torch.stack(found)

    def memory(self, engine: str) -> tuple[float, float]:
        """Megabytes of the base, and of the weights for decoding."""
        model = self.engines[engine]
        base = sum(weight.nbytes for weight in model.adapters.bare.parameters())
        return base / 1e6, model.decoding_bytes / 1e6


def drained(steps: Any) -> list[torch.Tensor]:
    """Runs steps to their end and gives what they return."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return [stop.value]


def engine(base: Path, threads: int, quantization: Any) -> Model:
    options = EngineOptions(
        base=str(base), context=2048, threads=threads, device="cpu", memory=MEMORY, quantization=quantization
    )
    model = load_model(options)
    model.stop_ids = frozenset()
    return model


def wrapped(plain: Any, adapters: list[Adapter | None]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = None
        for adapter in adapters:
            assert adapter
            name = Path(adapter.path).name
            if model is None:
                model = PeftModel.from_pretrained(plain, adapter.path, adapter_name=name)
            else:
                model.load_adapter(adapter.path, adapter_name=name)
        assert model
        return model.to(torch.bfloat16).eval()


def measure(bench: Bench, adapter: str, tokens: int, rounds: int) -> list[Row]:
    """All ways to speak with one adapter, in turn."""
    ways = ["generate()", *bench.engines]
    making = {way: bench.make(way, adapter) for way in bench.engines}
    for way in ways:
        bench.speak(way, adapter, 8)
    found: dict[str, list[Times]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            found[way].append(bench.speak(way, adapter, tokens))
    return [row(bench, adapter, way, found, making) for way in ways]


def row(bench: Bench, adapter: str, way: str, found: dict[str, list[Times]], making: dict[str, float]) -> Row:
    ours, plain = found[way], found["generate()"]
    base, decoding = bench.memory(way) if way in bench.engines else (0.0, 0.0)
    same, kl = bench.agreement(adapter) if way == "engine, int4" else (None, None)
    return Row(
        base=bench.name,
        adapter=adapter,
        engine=way,
        first_piece_ms=round(1000 * median(times.first for times in ours), 1),
        tokens_per_second=round(1 / median(times.token for times in ours), 1),
        times=round(median(b.token / a.token for a, b in zip(ours, plain, strict=True)), 2),
        making_ms=round(making.get(way, 0), 1),
        base_mb=round(base, 1),
        decoding_mb=round(decoding, 1),
        same_words=same and round(same, 3),
        kl=kl and round(kl, 5),
    )


def show(row: Row) -> None:
    agreement = "" if row.same_words is None else f"{row.same_words:>6.0%}  {row.kl:.4f}"
    print(
        f"{row.base:<8} {row.adapter:<6} {row.engine:<13} {row.first_piece_ms:>8.0f} ms {row.tokens_per_second:>9.1f} "
        f"{row.times:>6.2f} {row.making_ms:>7.0f} ms {row.base_mb:>7.0f} {row.decoding_mb:>7.0f} MB {agreement}",
        flush=True,
    )


def machine() -> str:
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.system()}"


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else "none"


def bases(folder: Path, names: list[str]) -> dict[str, Path]:
    """The bundled base, if it is there, and random ones."""
    hearth = ROOT / "models" / "hearth"
    found = {"hearth": hearth} if "hearth" in names and (hearth / "config.json").is_file() else {}
    for name in (name for name in names if name in SIZES):
        sizes = SIZES[name] | {"initializer_range": 0.02, "tie_word_embeddings": True}
        found[name] = make_base(folder / name.replace(" ", ""), **sizes)
    return found


def main(args: list[str]) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the bundled base only, one round")
    parser.add_argument(
        "--large", action="store_true", help="a random base of 0.5 B instead; takes some 8 GB of memory"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(args)
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    tokens, rounds = (24, 1) if options.quick else (16, 3) if options.large else (32, 5)
    rows: list[Row] = []
    print(__doc__)
    print(f"{machine()}\n{'':<29} {'first piece':>11} {'tokens/s':>9} {'times':>6} {'making':>10} {'base':>7} decoding")
    with tempfile.TemporaryDirectory() as folder:
        names = ["0.5 B"] if options.large else ["hearth"] if options.quick else ["hearth", "30 M"]
        for name, base in bases(Path(folder), names).items():
            bench = Bench(name, base, Path(folder, "adapters " + name), clock, options.threads)
            for adapter in bench.adapters:
                for each in measure(bench, adapter, tokens, rounds):
                    show(each)
                    rows.append(each)
            del bench
    print(json.dumps(summary(rows)))


def summary(rows: list[Row]) -> dict[str, object]:
    return {
        "benchmark": "engine",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "rows": [msgspec.to_builtins(row) for row in rows],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
