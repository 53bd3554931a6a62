"""The nouns of augmenting: a job, which is one thing to ask a model, and what became of all of them.

A job says what is asked, in which fields the reply comes, and how its fields make a record. It knows no engine and no
file.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import msgspec

from finetune.dialogue import Line, Record

Field = Literal["P", "Q", "A"]
"""What a reply gives: a premise, what is said to the role, what the role answers."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to ask.

    Args:
        task: `pages`, `lines` or `chapters`.
        instruction: What the model is told to do.
        material: What it works on: a page, examples, a chapter.
        fields: What a reply gives, in order, several times over if `wanted` says so.
        wanted: How many records are asked for.
        sources: What a reply must not copy.
        examples: Replies as they should be, one mapping each.
        asker: Who says the `Q`.
        role: Who says the `A`; a reply may repeat the name, it is dropped.
        answer: The role's own line where it is known and only what leads to it is asked for.
        language: `zh` or `en`; a Chinese job takes no reply without Chinese in it.
    """

    task: str
    instruction: str
    material: str
    fields: tuple[Field, ...] = ("Q", "A")
    wanted: int = 1
    sources: tuple[str, ...] = ()
    examples: tuple[Mapping[Field, str], ...] = ()
    asker: str
    role: str
    answer: str = ""
    language: Literal["zh", "en"] = "en"

    @property
    def key(self) -> str:
        """A digest of all that is asked: the same job has the same key in every run."""
        return blake2b(msgspec.json.encode(self), digest_size=10).hexdigest()

    def record(self, given: Mapping[Field, str], made_by: str) -> Record:
        """The record that one reply makes; every line of it that a model wrote says which one."""
        premise = [Line(name="", text=given["P"], made_by=made_by)] if given.get("P") else []
        asked = Line(name=self.asker, text=given["Q"], made_by=made_by)
        return Record(context=[*premise, asked], reply=self.answer or given["A"], made_by=made_by)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is.

    Args:
        jobs: All of them.
        before: Those that an earlier run had asked.
        asked: Those of this run.
        kept: Records that were kept in this run.
        unusable: Replies, or parts of one, that were not in the form asked for.
        copies: Records dropped because they repeat their source or an earlier one.
        error: Why the run ended early; "" where it did not.
    """

    jobs: int
    before: int = 0
    asked: int = 0
    kept: int = 0
    unusable: int = 0
    copies: int = 0
    error: str = ""
