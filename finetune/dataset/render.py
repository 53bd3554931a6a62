"""Moments → token ids for one base, by the code that serves: context.py and chat_template.py.

An example is the prompt that the room would serve and the reply after it; there is loss on the reply and its end, and
for a base of ours also on the transcript before it, never on the tail. It knows no files of a dataset and trains
nothing.
"""

from functools import cached_property
from pathlib import Path

import msgspec
from transformers import AutoConfig, AutoTokenizer

from chatroom import context
from chatroom.chat_template import ChatTemplate
from chatroom.engines.base import Facts
from chatroom.messages import Message, Prompt, Speaker
from chatroom.weights import TOKENIZERS, Provenance
from chatroom.words import words
from finetune.dataset.moment import Moment
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError

CONTEXT = 2048
NARRATOR = {"en": "Narrator", "zh": "旁白"}
"""What narration is called in a transcript, where every line has a speaker."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Token ids, and for each whether the model is to learn it; both have one length.

    Args:
        shared: How many of the first ids are the shared part; the tail, which switches an aLoRA on, begins there.
        cut: Whether the reply is longer than the context, so that its end is missing.
    """

    ids: list[int]
    learn: list[bool]
    shared: int
    cut: bool = False


class Renderer:
    """Renders for one base.

    Args:
        template: Of its tokenizer.
        context: Positions for prompt and reply; less than what is served cuts the transcript, never the tail's layout.
        invocation: Ids that open a tail, on a base without `<|aside|>`.
    """

    def __init__(self, template: ChatTemplate, *, context: int = CONTEXT, invocation: tuple[int, ...] = ()) -> None:
        self.template, self.context, self.invocation = template, context, invocation

    @classmethod
    def of(cls, base: Path, *, context: int = CONTEXT, invocation: tuple[int, ...] = ()) -> "Renderer":
        """For the base in a folder.

        Raises:
            WorkshopError: Its tokenizer or its config can't be read.
        """
        try:
            if not any((base / name).is_file() for name in TOKENIZERS):
                raise OSError("there is no tokenizer")  # transformers would make up one without words
            tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
            config = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            problem = f"its tokenizer or config can't be read: {error}"
            raise WorkshopError(str(base), problem, "copy all files of the base into this folder") from None
        longest = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None) or context
        template = ChatTemplate(tokenizer, ours=is_ours(base))
        return cls(template, context=min(context, longest), invocation=invocation)

    @cached_property
    def facts(self) -> Facts:
        return Facts.of(self.template, self.context)

    def prompt(self, moment: Moment) -> Prompt:
        """Lays a moment out and fits it into the context, as the room does."""
        heard = [_message(seq, line, moment) for seq, line in enumerate(moment.heard)]
        asked = context.Asked(
            id=moment.name,
            name=moment.name,
            persona=moment.persona,
            words=words(moment.language),
            layout=moment.layout,
        )
        scene = context.Scene(room="training", premise=moment.premise, words=words(moment.language))
        drafted = context.draft(asked, scene, heard, recalled=moment.recalled)
        limit = context.longest_line(self.facts)
        for _ in range(4):
            counts = {text: len(self.template.line_ids(text)) for text in drafted.texts()}
            if all(count <= limit for count in counts.values()):
                break
            drafted = context.shorten(drafted, counts, limit)
        return context.fit(drafted, {text: len(self.template.line_ids(text)) for text in drafted.texts()}, self.facts)

    def example(self, moment: Moment, *, learn_lines: bool = False) -> Example:
        """Renders the prompt as it is served, and the reply after it; `learn_lines` puts loss on the transcript too."""
        prompt = self.prompt(moment)
        rendered = self.template.render(prompt, self.invocation)
        whole = self.template.reply_ids(moment.reply, start=prompt.start)
        said = whole[: max(0, self.context - len(rendered.ids))]
        tail = len(rendered.ids) - rendered.shared
        learn = [learn_lines] * rendered.shared + [False] * tail + [True] * len(said)
        ids = [*rendered.ids, *said]
        return Example(ids=ids, learn=learn, shared=rendered.shared, cut=len(said) < len(whole))

    def transcript(self, scene: Scene) -> Example:
        """Renders a scene as a room's shared part, all of it learnt."""
        prompt = self.prompt(Moment(premise=scene.premise, heard=tuple(scene.lines), name="", reply=""))
        rendered = self.template.render(prompt)
        ids = rendered.ids[: rendered.shared]
        return Example(ids=ids, learn=[True] * len(ids), shared=len(ids))


def is_ours(base: Path) -> bool:
    """Whether a base was made with our layout: its provenance.json says so."""
    stamp = base / "provenance.json"
    try:
        return stamp.is_file() and msgspec.json.decode(stamp.read_bytes(), type=Provenance).ours
    except (OSError, msgspec.DecodeError) as error:
        raise WorkshopError(
            str(stamp), f"it can't be read: {error}", "copy it anew from where the base is from"
        ) from None


def _message(seq: int, line: Line, moment: Moment) -> Message:
    name = line.name or NARRATOR.get(moment.language[:2], NARRATOR["en"])
    audience = None if line.audience is None else frozenset(line.audience)
    return Message(
        seq=seq, id=str(seq), author=Speaker(id=name, name=name, kind="person"), text=line.text, audience=audience
    )
