"""Decides for one room: what a request becomes, whose turn it is, when the room falls silent.

Holds no socket, file, clock or randomness: entries of the log come in, decisions go out, and a restart that folds the
same entries decides alike. Here is what every turn policy owes the table: after a person's line at least one role
speaks, but people among themselves are left alone; without a person the room falls silent after `cap` turns; nobody is
asked again who has just failed; a reply to a whisper is heard by those who heard the whisper, and by nobody else.
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


class Round:
    """What was said to one audience since a person last spoke to it: a whisper has a round of its own."""

    def __init__(self) -> None:
        self.turns = 0
        self.asked_at = 0
        self.hushed = True
        """Whether nobody goes on: somebody was stopped, or nobody wanted to say more."""
        self.failed: set[str] = set()
        self.again = ""
        """Id of the role whose reply is to be made again."""
        self.handed = ""
        """Id of the speaker in whose name somebody began to speak."""

    def ask(self, seq: int) -> None:
        """A person said something."""
        self.turns, self.asked_at, self.hushed, self.again, self.handed = 0, seq, False, "", ""
        self.failed.clear()

    def end(self, ended: Ended) -> None:
        """A role's turn is over. One that began before the last line answers nothing of it, and hushes nobody."""
        heard = ended.heard >= self.asked_at
        self.turns += heard
        if heard:
            self.hushed = ended.status in {"stopped", "interrupted"}
        self.again, self.handed = "", "" if ended.text else ended.hands_to
        if ended.status == "failed":
            self.failed.add(ended.author.id)

    def retry(self, role: str) -> None:
        """A reply is to be made again."""
        self.again, self.turns, self.hushed = role, max(0, self.turns - 1), False
        self.failed.clear()


class Room:
    """The state of one room, folded from its log."""

    def __init__(self, *, cap: int) -> None:
        self.head = 0
        self.seats: dict[str, Speaker] = {}
        """Roles at the table, by id, in the order in which they sat down."""
        self.seated_at: dict[str, int] = {}
        """Seq at which each role that ever sat here sat down last."""
        self.persons: dict[str, Speaker] = {}
        """Everybody who was ever here."""
        self._transcript = Transcript()
        self._cap = cap
        self._rounds: dict[Audience | None, Round] = {None: Round()}

    # --- what happened ------------------------------------------------------------------------------------------------

    def fold(self, entry: Entry) -> None:
        """Takes a committed entry into account."""
        match entry.event:
            case Posted(author=author, audience=audience):
                self.persons[author.id] = author
                self._round(audience).ask(entry.seq)
            case Ended(audience=audience) as ended:
                self._round(audience).end(ended)
            case Retried(supersedes=gone, audience=audience):
                self._round(audience).retry(next((m.author.id for m in self.messages if m.id == gone), ""))
            case Joined(who=who) if who.kind == "role":
                self.seats[who.id] = who
                self.seated_at[who.id] = entry.seq
            case Joined(who=who):
                self.persons[who.id] = who
            case Left(who=who):
                self.seats.pop(who.id, None)
        self._transcript.extend([entry], entry.seq)
        self.head = entry.seq

    def _round(self, audience: Audience | None) -> Round:
        return self._rounds.setdefault(audience, Round())

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
        heard = [m for m in self.messages if m.audience is None or person.id in m.audience]
        last = heard[-1] if heard else None
        if running:
            raise RefusedError("busy", "somebody is speaking; stop that first")
        if last is None or last.author.kind != "role" or last.author.id not in self.seats:
            raise RefusedError("nothing_to_retry", "only the last line can be tried again, and only a character's")
        if id and id != last.id:
            raise RefusedError("not_last", "something was said since; only the last reply can be tried again")
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

    def waiting(self) -> list[Audience | None]:
        """The audiences that may hear more, who was spoken to first comes first. The rest wait for a person: their cap
        is reached, or somebody was stopped."""
        awake = [(round.asked_at, audience) for audience, round in self._rounds.items() if self._is_awake(round)]
        return [audience for _, audience in sorted(awake, key=lambda pair: pair[0])]

    def again(self, audience: Audience | None) -> bool:
        """Whether it is clear who speaks: a reply is made again, or was handed on."""
        round = self._round(audience)
        return round.again in self.seats or round.handed in self.seats

    def view(self, roles: Iterable[SeatedRole], present: Iterable[Speaker], audience: Audience | None) -> View:
        """What a policy decides on.

        Args:
            roles: The roles with their latest names and aliases.
            present: The persons who are here; those who spoke lately count too.
            audience: Who will hear what is said next.
        """
        failed, said = self._round(audience).failed, self.messages
        able = (role for role in roles if role.id in self.seats and role.id not in failed)
        persons = {m.author.id: m.author for m in said if m.author.kind == "person"} | {p.id: p for p in present}
        return View(
            roles=tuple(role for role in able if audience is None or role.id in audience),
            persons=tuple(persons.values()),
            messages=tuple(message for message in said if message.audience == audience),
        )

    def next_turn(self, view: View, names: Sequence[str], rng: Random, audience: Audience | None) -> Turn | None:
        """Decides on what the policy named: a turn, or silence (None)."""
        round, able = self._round(audience), {role.id for role in view.roles}
        if not self._is_awake(round):
            return None
        among_people = only_people_addressed(view)
        wanted = [round.again, round.handed, *(() if among_people else names[:1])]
        if chosen := next((id_ for id_ in wanted if id_ in able), ""):
            return Turn(chosen, audience)
        if round.turns or not able or among_people:
            return None
        owed = [*spoken_of(view), *(name for name in names if name in able), *by_talkativeness(view, rng), *able]
        return Turn(owed[0], audience)

    def _is_awake(self, round: Round) -> bool:
        return not round.hushed and round.turns < self._cap

    def hush(self, audience: Audience | None) -> None:
        """Nobody wanted to say more to this audience: it waits for a person."""
        self._round(audience).hushed = True

    def rest(self) -> None:
        """After a restart only those go on who were not answered at all."""
        for round in self._rounds.values():
            round.hushed = round.hushed or round.turns > 0
