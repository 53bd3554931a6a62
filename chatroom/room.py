"""Decides for one room: what a request becomes, whose turn it is, when the room falls silent.

Holds no socket, file, clock or randomness: entries of the log come in, decisions go out, and a restart that folds the
same entries decides alike. Here is what every turn policy owes the table: after a person's line at least one role
speaks, unless only people were addressed; without a person the room falls silent after `cap` turns; nobody is asked
again who has just failed; a reply to a whisper is heard by those who heard the whisper, and by nobody else.
"""

from collections.abc import Iterable, Sequence
from random import Random

import msgspec

from chatroom.errors import RefusedError
from chatroom.messages import (
    Audience,
    Ended,
    Entry,
    Joined,
    Left,
    Message,
    Posted,
    Retried,
    SeatedRole,
    Speaker,
    View,
)
from chatroom.transcript import Transcript
from chatroom.turns.base import by_talkativeness, only_people_addressed, spoken_of

RECENT = 64
"""Messages that a turn policy looks back on."""


class Turn(msgspec.Struct, frozen=True):
    """Who speaks next, and who may hear it (None: everyone)."""

    role: str
    audience: Audience | None


class Room:
    """The state of one room, folded from its log."""

    def __init__(self, *, cap: int) -> None:
        self.head = 0
        self.seats: dict[str, Speaker] = {}
        """Roles at the table, by id, in the order in which they sat down."""
        self.seated_at: dict[str, int] = {}
        """Seq at which each role that ever sat here sat down last."""
        self.persons: dict[str, Speaker] = {}
        self._transcript = Transcript()
        self._cap = cap
        self._turns = 0
        self._asked_at = 0
        self._hushed = True
        self._failed: set[str] = set()
        self._again = ""

    # --- what happened ------------------------------------------------------------------------------------------------

    def fold(self, entry: Entry) -> None:
        """Takes a committed entry into account."""
        match entry.event:
            case Posted(author=author):
                self.persons[author.id] = author
                self._turns, self._hushed, self._again, self._asked_at = 0, False, "", entry.seq
                self._failed.clear()
            case Ended(author=author, status=status, heard=heard):
                self._turns += heard >= self._asked_at
                self._hushed = self._hushed or status in {"stopped", "interrupted"}
                self._again = ""
                if status == "failed":
                    self._failed.add(author.id)
            case Retried(supersedes=gone):
                self._again = next((m.author.id for m in self.messages if m.id == gone), "")
                self._turns, self._hushed = max(0, self._turns - 1), False
                self._failed.clear()
            case Joined(who=who) if who.kind == "role":
                self.seats[who.id] = who
                self.seated_at[who.id] = entry.seq
            case Joined(who=who):
                self.persons[who.id] = who
            case Left(who=who):
                self.seats.pop(who.id, None)
        self._transcript.extend([entry])
        self.head = entry.seq

    @property
    def messages(self) -> Sequence[Message]:
        """The latest messages, whispers among them: for decisions here, never for a prompt or a client."""
        return [message for message in self._transcript.messages[-RECENT:] if not message.notice]

    # --- what is asked ------------------------------------------------------------------------------------------------

    def say(
        self, text: str, person: Speaker, *, id: str, cid: str, at: float, audience: Audience | None = None
    ) -> Posted:
        """A person says something."""
        if not (said := text.strip()):
            raise RefusedError("blank", "there is nothing in it to say")
        return Posted(id=id, author=person, text=said, cid=cid, at=at, audience=audience)

    def retry(self, id: str, person: Speaker, *, cid: str, at: float, running: bool) -> Retried:
        """A person wants another reply in place of the last one; `id` guards against retrying what was not seen."""
        last = self.messages[-1] if self.messages else None
        if running:
            raise RefusedError("busy", "somebody is speaking; stop that first")
        if last is None or last.author.kind != "role" or last.author.id not in self.seats:
            raise RefusedError("nothing_to_retry", "only the last line can be tried again, and only a character's")
        if id and id != last.id:
            raise RefusedError("not_last", "something was said since; only the last reply can be tried again")
        if last.audience is not None and person.id not in last.audience:
            raise RefusedError("nothing_to_retry", "there is no last line of a character")
        return Retried(supersedes=last.id, by=person.id, cid=cid, at=at, audience=last.audience)

    def invite(self, role: Speaker, *, cid: str, at: float) -> Joined:
        """A role takes a seat."""
        if role.id in self.seats:
            raise RefusedError("already_seated", f"{role.name} sits here already")
        return Joined(who=role, cid=cid, at=at)

    def dismiss(self, role: str, *, cid: str, at: float) -> Left:
        """A role leaves the table; named by id or by name."""
        for speaker in self.seats.values():
            if role.casefold() in {speaker.id, speaker.name.casefold()}:
                return Left(who=speaker, cid=cid, at=at)
        seated = ", ".join(self.seats) or "nobody"
        raise RefusedError("not_seated", f"there is no {role!r} at the table; here sit: {seated}")

    # --- whose turn it is ---------------------------------------------------------------------------------------------

    @property
    def again(self) -> str:
        """Id of the role whose reply is to be tried again, if any."""
        return self._again if self._again in self.seats else ""

    @property
    def asleep(self) -> bool:
        """Whether nobody may speak before a person does: the cap is reached, or somebody was stopped."""
        return self._hushed or self._turns >= self._cap

    @property
    def audience(self) -> Audience | None:
        """Who hears the next reply: those who heard what it replies to."""
        said = [message for message in self.messages if message.author.kind == "person"]
        return said[-1].audience if said else None

    def view(self, roles: Iterable[SeatedRole]) -> View:
        """What a policy decides on.

        Args:
            roles: The roles that can speak, with their latest names and aliases.
        """
        hearers = self.audience
        able = (r for r in roles if r.id in self.seats and r.id not in self._failed)
        return View(
            roles=tuple(role for role in able if hearers is None or role.id in hearers),
            persons=tuple(self.persons.values()),
            messages=tuple(m for m in self.messages if m.audience is None or m.audience == hearers),
            cap=self._cap,
        )

    def next_turn(self, view: View, names: Sequence[str], rng: Random) -> Turn | None:
        """Decides on what the policy named: a turn, or silence (None)."""
        able = {role.id for role in view.roles}
        if self.asleep or not able:
            return None
        if self.again in able:
            return Turn(self.again, self.audience)
        if names and names[0] in able:
            return Turn(names[0], self.audience)
        if self._turns or not view.messages or only_people_addressed(view):
            return None
        owed = [*spoken_of(view), *(name for name in names if name in able), *by_talkativeness(view, rng), *able]
        return Turn(owed[0], self.audience)
