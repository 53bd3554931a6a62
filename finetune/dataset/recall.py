"""What a role is reminded of in a share of its moments: found as the room finds it, by the librarian's desk.

The role learns to use what it is given, and to leave what does not fit: passages that are beside the point stay. What
would give the answer away does not: an example or a passage that holds the reply itself, or anything held out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from chatroom.librarian.asking import Ask, Reader, Said, Setup, Span
from chatroom.librarian.desk import Desk
from chatroom.messages import Example, Passage, Recalled
from chatroom.roles import Role
from finetune.dataset.draw import chance
from finetune.dataset.duplicates import Known, alike, holds, is_telling
from finetune.dataset.moment import Moment
from finetune.dialogue import Line

LAST = 4
"""Lines that say what the moment is about, as in chatroom/recalling.py."""
NOWHERE = Span(room="", epoch="")

Remind = Callable[[Sequence[Line]], Recalled | None]
"""What a role is reminded of by lines, oldest first; None where what it knows can't be searched."""


def reminding(role: Role, setup: Setup) -> Remind:
    """Searches what a role knows, and how it talks, as a room would.

    Raises:
        KnowledgeError: The models that searches need can't be loaded.
    """
    desk, reader = Desk(setup), Reader.of(role)
    if ready := desk.is_ready(reader):
        desk.warm()

    def remind(lines: Sequence[Line]) -> Recalled | None:
        said = tuple(Said(name=line.name, text=line.text) for line in lines)
        return desk.recall(reader, Ask(lines=said, memory=NOWHERE)).recalled if ready else None

    return remind


def reminded(
    moments: Iterable[Moment], remind: Remind, share: float, seed: int, held_out: Known, counts: Counter[str]
) -> Iterator[Moment]:
    """Moments, a share of them with what the role would be reminded of.

    Args:
        held_out: No example may be like one of these.
        counts: Is told how many have passages and examples, and what was kept back.
    """
    for moment in moments:
        about = _about(moment)
        if not about or chance(seed, "recall", about[-1].text, moment.reply) >= share:
            yield moment
            continue
        recalled = remind(about)
        counts["without an index"] += recalled is None
        kept = _harmless(recalled or Recalled(), moment, held_out, counts)
        counts["with passages"] += bool(kept.passages)
        counts["with examples"] += bool(kept.examples)
        yield replace(moment, recalled=kept)


def _about(moment: Moment) -> Sequence[Line]:
    """The last lines up to the one that is answered: what a reply to all may remind of, so no whispers."""
    heard = [line for line in moment.heard if line.audience is None]
    while heard and heard[-1].name == moment.name:
        heard.pop()
    return heard[-LAST:]


def _harmless(recalled: Recalled, moment: Moment, held_out: Known, counts: Counter[str]) -> Recalled:
    """What gives nothing away."""
    passages = tuple(each for each in recalled.passages if not _tells(each, moment))
    examples = tuple(each for each in recalled.examples if not _repeats(each, moment, held_out))
    gone = len(recalled.passages) - len(passages) + len(recalled.examples) - len(examples)
    counts["reminders that gave the reply away"] += gone
    return Recalled(passages=passages, examples=examples)


def _tells(passage: Passage, moment: Moment) -> bool:
    return is_telling(moment.reply) and holds(passage.text, moment.reply)


def _repeats(example: Example, moment: Moment, held_out: Known) -> bool:
    told = f"{example.before}\n{example.text}"
    own = alike(example.text, moment.reply)
    return own or bool(held_out.like(told) or (is_telling(example.text) and held_out.like(example.text)))
