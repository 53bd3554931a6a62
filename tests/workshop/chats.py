"""Reads a chat export that a test wrote, and keeps what was told on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from finetune.corpora import discord, qq, telegram, wechat, whatsapp
from finetune.corpora.base import HEAD, CorpusFile, Head, Options
from finetune.dialogue import Scene
from knowledge.encodings import decode

FORMATS = [wechat, qq, telegram, discord, whatsapp]


class Read(msgspec.Struct):
    """What came of a file: its scenes, and what was told."""

    scenes: list[Scene]
    skipped: list[tuple[str, str]]
    noted: list[tuple[str, str]]

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(line.name, line.text) for scene in self.scenes for line in scene.lines]

    @property
    def titles(self) -> list[str]:
        return [scene.title for scene in self.scenes]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.skipped]

    @property
    def notes(self) -> str:
        return "\n".join(what for _, what in self.noted)


Reader = Callable[..., Read]


@pytest.fixture(name="read")
def reader(tmp_path: Path) -> Reader:
    def read(form: ModuleType, content: object, **options: Any) -> Read:
        data = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        path = tmp_path / f"chat{form.SUFFIXES[0]}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        told = Read([], [], [])
        file = CorpusFile(
            name=path.name,
            path=path,
            skip=lambda place, reason: told.skipped.append((place, reason)),
            note=lambda place, what: told.noted.append((place, what)),
            options=Options(**options),
        )
        told.scenes.extend(form.read(file))
        return told

    return read


def head(content: object, suffix: str) -> Head:
    data = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
    raw = (data.encode() if isinstance(data, str) else data)[:HEAD]
    return Head(suffix=suffix, data=raw, text=decode(raw))
