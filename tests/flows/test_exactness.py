"""The shared cache changes nothing: at every token the logits equal those of a full recompute.

A conversation of 44 turns with three activated LoRAs, one ordinary LoRA and one bare role, with a stop in the middle
of a turn, a retry and a trim of the front, all through the turns and lanes that serve. Replies are given, so that a
difference can't hide behind another word. The reference is PEFT alone, without any cache of ours.
"""

import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from random import Random

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft.lanes import Lane, Lanes
from chatroom.engines.transformers_peft.model import Model, load_model
from chatroom.engines.transformers_peft.turn import Plan, Steps, Turns
from chatroom.messages import Adapter, Line, Prompt, Sampling
from tests.tiny import make_adapter, make_base

HEARTH = Path(__file__).parents[2] / "models" / "hearth"
ROLES = ("Ada", "Bo", "Cy", "Dee", "Eve")
ACTIVATED = ("Ada", "Bo", "Cy")
TURNS = 44
WORDS = ("sea", "lamp", "dice", "bell", "map", "你好", "🎲", "third", "step", "naïve")
CLOSE = 1e-4
CLEAR = 1e-3
"""How far the best two must be apart for the argmax to mean something."""


class Forced:
    """A sampler that says what it is told and remembers the logits it was shown."""

    def __init__(self, tokens: list[int], end: int) -> None:
        self.seen: list[torch.Tensor] = []
        self._tokens = [*tokens, end]

    def pick(self, logits: torch.Tensor) -> int:
        self.seen.append(logits.clone())
        return self._tokens[len(self.seen) - 1]


class ForcedTurns(Turns):
    """The turns that serve, but for the sampler."""

    forced: Forced

    def _sampler(self, plan: Plan, sampling: Sampling) -> Forced:  # type: ignore[override]
        return self.forced


class WithoutOffsets(ForcedTurns):
    """What happens if decoding forgets on how many positions an activated adapter acts."""

    def forward(self, lane: Lane, plan: Plan, ids: list[int]) -> torch.Tensor:
        model = self._model.adapters._peft
        with torch.inference_mode():
            logits: torch.Tensor = model(
                input_ids=torch.tensor([ids]), past_key_values=lane.cache, logits_to_keep=1
            ).logits[0]
        return logits


class Reference:
    """PEFT on a base of its own: every prompt from its first position on, no cache."""

    def __init__(self, base: Path, adapters: dict[str, Adapter]) -> None:
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        names = list(adapters)
        self._model = PeftModel.from_pretrained(plain, adapters[names[0]].path, adapter_name=names[0])
        for name in names[1:]:
            self._model.load_adapter(adapters[name].path, adapter_name=name)
        self._model.eval()

    def logits(self, role: str, prompt: list[int], shared: int, reply: list[int]) -> torch.Tensor:
        """Logits that each token of the reply, and its end, is drawn from."""
        ids = torch.tensor([prompt + reply])
        keep = len(reply) + 1
        with torch.inference_mode():
            if role == "Eve":
                with self._model.disable_adapter():
                    return self._model(input_ids=ids, use_cache=False).logits[0, -keep:]
            self._model.set_adapter(role)
            offsets = {"alora_offsets": [ids.shape[1] - shared]} if role in ACTIVATED else {}
            return self._model(input_ids=ids, use_cache=False, **offsets).logits[0, -keep:]


class Table:
    """A base with its five roles, the turns that serve it, and a transcript that grows."""

    def __init__(self, base: Path, folder: Path, *, turns: type[ForcedTurns] = ForcedTurns) -> None:
        self.adapters = {
            name: make_adapter(folder / name, base, activated=name in ACTIVATED, seed=seed)
            for seed, name in enumerate(ROLES[:4], start=1)
        }
        self.model: Model = load_model(EngineOptions(base=str(base), dtype="float32", device="cpu"))
        self.lanes = Lanes(self.model.empty_cache, 1 << 30)
        self.turns = turns(self.model, self.lanes)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            warnings.filterwarnings("ignore", "Adapter.*was active which is now", UserWarning)
            self.reference = Reference(base, self.adapters)
        self.lines: list[Line] = []
        self.random = Random(7)

    def prompt(self, role: str) -> Prompt:
        tail = (f"{role} keeps a secret: {role * 3}.", f"You are {role}.")
        return Prompt(view="all", premise="A bar by the sea.", lines=tuple(self.lines), tail=tail, start=f"{role}:")

    def words(self, least: int, most: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(least, most)))

    def say(self, name: str) -> None:
        self.lines.append(Line(text=f"{name}: {self.words(3, 12)}"))

    def speak(self, role: str, tokens: list[int], *, stop_after: int | None = None) -> list[torch.Tensor]:
        """Lets a role say given tokens, or the first few of them, and gives the logits they were drawn from."""
        end = next(iter(self.model.stop_ids))
        self.turns.forced = forced = Forced(tokens, end)
        steps = self.turns.reply(self.prompt(role), self.adapters.get(role), Sampling(max_tokens=len(tokens) + 1))
        for _ in steps:
            if len(forced.seen) == stop_after:
                steps.close()
        return forced.seen

    def differences(self, role: str, tokens: list[int], seen: list[torch.Tensor]) -> Iterator[tuple[float, bool]]:
        """For each step: the largest difference, and whether the best token is another one."""
        rendered = self.model.template.render(self.prompt(role), self._invocation(role))
        reply = tokens[: len(seen) - 1]
        for ours, wanted in zip(seen, self.reference.logits(role, rendered.ids, rendered.shared, reply), strict=True):
            first, second = wanted.topk(2).values.tolist()
            swapped = first - second > CLEAR and int(ours.argmax()) != int(wanted.argmax())
            yield float((ours - wanted).abs().max()), swapped

    def _invocation(self, role: str) -> tuple[int, ...]:
        return self.adapters[role].invocation if role in self.adapters else ()

    def check(self, role: str, *, stop_after: int | None = None) -> list[tuple[float, bool]]:
        """One turn: the role speaks, its logits are compared, its line is posted."""
        words = self.words(2, 6)
        tokens = list(self.model.template.text_ids(f" {words}"))
        seen = self.speak(role, tokens, stop_after=stop_after)
        found = list(self.differences(role, tokens, seen))
        self.lines.append(Line(text=f"{role}: {words}"))
        return found

    def converse(self) -> list[tuple[float, bool]]:
        """The whole conversation: somebody speaks at every turn, now and then a person between."""
        found = []
        for turn in range(TURNS):
            if turn % 4 == 0:
                self.say("Tobin")
            if turn == 20:  # a retry: the last reply is gone, the same role speaks again
                self.lines.pop()
                found += self.check(ROLES[(turn - 1) % 5])
            if turn == 30:  # a trim of the front
                self.lines = self.lines[15:]
            found += self.check(ROLES[turn % 5], stop_after=2 if turn in (11, 13) else None)
        return found


def outcome(steps: Steps) -> list[float] | None:
    """Runs the steps to their end and gives what they return."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        value: list[float] | None = end.value
        return value


@pytest.fixture(
    params=[
        "qwen2",
        "llama",
        pytest.param(
            "hearth",
            marks=pytest.mark.skipif(not (HEARTH / "config.json").is_file(), reason="the bundled base is not there"),
        ),
    ],
)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "hearth":
        return HEARTH
    ours = request.param == "qwen2"
    return make_base(tmp_path / "base", request.param, ours=ours, template=not ours)


def test_shared_cache_equals_full_recompute(base: Path, tmp_path: Path) -> None:
    found = Table(base, tmp_path).converse()
    assert len(found) > 5 * TURNS
    assert max(difference for difference, _ in found) < CLOSE
    assert not any(swapped for _, swapped in found)


def test_check_notices_missing_decode_offsets(tmp_path: Path) -> None:
    table = Table(make_base(tmp_path / "base"), tmp_path, turns=WithoutOffsets)
    table.say("Tobin")
    first, *rest = table.check("Ada")
    assert first[0] < CLOSE
    assert min(difference for difference, _ in rest) > CLOSE


def test_windowed_attention_is_computed_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = Table(make_base(tmp_path / "base", "mistral", sliding_window=64), tmp_path)
    assert "can't be kept" in caplog.text
    for _ in range(10):
        table.say("Tobin")
    found = [step for role in ("Ada", "Bo", "Dee", "Ada") for step in table.check(role)]
    assert max(difference for difference, _ in found) < CLOSE


def test_interleaved_turns_equal_turns_alone(tmp_path: Path) -> None:
    table = Table(make_base(tmp_path / "base"), tmp_path)
    for _ in range(20):
        table.say("Tobin")
    turns, sampling = Turns(table.model, table.lanes), Sampling(max_tokens=12, seed=3)
    who = ("Ada", "Dee", "Bo", "Eve")
    alone = ["".join(turns.reply(table.prompt(role), table.adapters.get(role), sampling)) for role in who]
    running = [turns.reply(table.prompt(role), table.adapters.get(role), sampling) for role in who]
    rounds = zip_longest(*running, fillvalue="")  # one step of each in rotation
    assert ["".join(pieces) for pieces in zip(*rounds, strict=True)] == alone


@pytest.mark.parametrize(("kind", "sizes"), [("qwen2", {}), ("mistral", {"sliding_window": 64})])
def test_scores_equal_a_full_recompute(tmp_path: Path, kind: str, sizes: dict[str, int]) -> None:
    table = Table(make_base(tmp_path / "base", kind, **sizes), tmp_path)
    for _ in range(12):
        table.say("Tobin")
    table.check("Ada")
    names = ["Ada:", "Tobin:", "A"]
    values = outcome(table.turns.score(table.prompt("Ada"), names))
    rendered = table.model.template.render(table.prompt("Ada"))
    for name, value in zip(names, values, strict=True):
        ids = list(table.model.template.start_ids(name))
        logits = table.reference.logits("Eve", rendered.ids[: rendered.shared], 0, ids).log_softmax(-1)
        assert value == pytest.approx(float(logits[range(len(ids)), ids].sum()), abs=CLOSE)


def test_new_speaker_costs_lines_and_tail(tmp_path: Path) -> None:
    table = Table(make_base(tmp_path / "base"), tmp_path)
    computed = []
    embed = table.model.adapters._base.get_input_embeddings()
    embed.register_forward_pre_hook(lambda _, inputs: computed.append(inputs[0].shape[-1]))
    for _ in range(30):
        table.say("Tobin")
    table.check("Ada")
    for role in ("Bo", "Cy", "Eve", "Bo"):
        table.say("Tobin")
        before = len(table.lanes.held(("", "all")))
        computed.clear()
        table.check(role)
        rendered = table.model.template.render(
            Prompt(
                view="all",
                premise="A bar by the sea.",
                lines=tuple(table.lines[:-1]),
                tail=table.prompt(role).tail,
                start=f"{role}:",
            )
        )
        assert computed[0] == len(rendered.ids) - before
        assert set(computed[1:]) == {1}


def test_premise_question_keeps_the_transcript(tmp_path: Path) -> None:
    table = Table(make_base(tmp_path / "base"), tmp_path)
    for _ in range(12):
        table.say("Tobin")
    table.check("Ada")
    held = list(table.lanes.held(("", "all")))
    assert outcome(table.turns.score(Prompt(view="all", premise="A bar by the sea.", lines=()), ["Ada:"]))
    assert list(table.lanes.held(("", "all"))) == held
