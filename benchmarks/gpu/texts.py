"""What is asked: talk of the bundled world, so that the base has something to say. Reads roles/*/lines.jsonl."""

import json
from functools import cache
from itertools import chain, cycle, islice
from pathlib import Path

from chatroom.messages import Line, Prompt

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS = {"mara": "Mara Vell", "tobin": "Tobin Hask", "ilse": "Ilse Corvane"}

Exchange = tuple[tuple[str, ...], str, str]
"""The lines before, who replies, and what."""


@cache
def exchanges() -> tuple[Exchange, ...]:
    """The voices in turns."""
    return tuple(chain.from_iterable(zip(*(_told(id_, name) for id_, name in SPEAKERS.items()), strict=False)))


def transcript(length: int, *, start: int = 0) -> tuple[Line, ...]:
    """So many lines; another start gives another room."""
    texts = (text for before, name, reply in exchanges() for text in (*before, f"{name}: {reply}"))
    return tuple(Line(text=text) for text in islice(cycle(texts), 5 * start, 5 * start + length))


def prompt(view: str, lines: tuple[Line, ...], name: str = "Mara Vell") -> Prompt:
    """What a role is asked after these lines."""
    return Prompt(
        view=view,
        premise=f"The lamp room of the Saltmere light; this room is called {view}.",
        lines=lines,
        tail=(f"{name} speaks next.",),
        start=f"{name}:",
    )


def _told(role: str, name: str) -> list[Exchange]:
    rows = (ROOT / "roles" / role / "lines.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(row) for row in rows if row.strip()]
    return [
        (tuple(_flat(f"{said['name']}: {said['text']}") for said in each["context"]), name, _flat(each["reply"]))
        for each in records
    ]


def _flat(text: str) -> str:
    return " ".join(text.replace("{{user}}", "Ann").split())
