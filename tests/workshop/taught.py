"""A tiny base that knows its lines by heart, so that harm done to its weights is seen: made in some seconds."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

import torch
from transformers import AutoModelForCausalLM

from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line
from finetune.training.batches import Collator

WORDS = (
    "lamp", "light", "sea", "storm", "harbour", "tower", "dice", "map",
    "bell", "step", "night", "guest", "inn", "fire", "tide", "boat",
)  # fmt: skip
STEPS = 80


def make_moments(count: int, *, name: str = "Mara Vell", persona: str = "") -> list[Moment]:
    """Questions and answers of chance words."""
    rng = random.Random(0)
    pairs = [(" ".join(rng.choices(WORDS, k=4)), " ".join(rng.choices(WORDS, k=12))) for _ in range(count)]
    return [
        Moment(heard=(Line(name="Ann", text=asked),), name=name, persona=persona, reply=reply)
        for asked, reply in pairs
    ]  # fmt: skip


def make_taught(folder: Path, moments: Sequence[Moment], **config: object) -> Path:
    """A base in float16 that says these replies to what was heard."""
    base = make_base(folder, initializer_range=0.05, **({"num_hidden_layers": 2} | config))
    renderer = Renderer.of(base, context=512)
    batch = Collator(pad=2, activated=False)([renderer.example(moment, learn_lines=True) for moment in moments])
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().half().save_pretrained(base)
    return base
