"""Replies and what is known of a table, made in one line each."""

from collections.abc import Mapping, Sequence

from chatroom.messages import Passage
from evals.asking import Reply
from evals.probes import Kind, Probe
from evals.tasks.base import Known
from finetune.dialogue import Line

WORDS = "the lamp is lit mind third step sea cold and i am a keeper welcome lantern have you they 灯 亮 着 呢"
LINES = {"Mara Vell": ("The lamp is lit.",), "Tobin Hask": ("By cod, captain!",)}


def reply(
    text: str,
    *heard: str,
    kind: Kind = "talk",
    wanted: tuple[str, ...] = (),
    unwanted: tuple[str, ...] = (),
    told: str = "",
    name: str = "Mara Vell",
    used: int = 10,
    most: int = 80,
    first: float = 0.2,
    seconds: float = 1.2,
) -> Reply:
    """What a role answered to lines such as `Ann: Hello.`"""
    pairs = (line.split(": ", 1) for line in heard or ("Ann: Is it lit?",))
    lines = tuple(Line(name=who, text=said) for who, said in pairs)
    probe = Probe(role="mara", kind=kind, heard=lines, wanted=wanted, unwanted=unwanted, place="mara.txt, line 3")
    passages = (Passage(id="1", title="A page", text=told),) if told else ()
    return Reply(
        probe=probe, name=name, text=text, passages=passages, most=most, used=used, first=first, seconds=seconds
    )


def known(words: str = WORDS, names: str = "", lines: Mapping[str, Sequence[str]] = LINES) -> Known:
    return Known(words=frozenset(words.split()), names=frozenset(names.split()), lines=lines)
