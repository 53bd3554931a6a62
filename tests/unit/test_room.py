"""What a room owes the table: an answer to a person, silence without one, whispers to those who heard them."""

from random import Random

import pytest

from chatroom.errors import RefusedError
from chatroom.messages import AnyEvent, Audience, Ended, Entry, Joined, Left, Posted, Retried, SeatedRole, Speaker
from chatroom.room import Room, Turn

SEATED = [SeatedRole(id="mara", name="Mara"), SeatedRole(id="tobin", name="Tobin")]
ANN, BEN = (Speaker(id=f"~{name.lower()}", name=name, kind="person") for name in ("Ann", "Ben"))


def role(id_: str) -> Speaker:
    return Speaker(id=id_, name=id_.title(), kind="role")


def posted(text: str, who: Speaker = ANN, audience: Audience | None = None) -> Posted:
    return Posted(id=f"m-{text}", author=who, text=text, cid="c", at=0, audience=audience)


def ended(id_: str, text: str = "Aye.", status: str = "complete", audience: Audience | None = None) -> Ended:
    return Ended(id=f"t-{id_}-{text}", author=role(id_), text=text, status=status, at=0, audience=audience, heard=99)  # type: ignore[arg-type]


def room_after(*events: AnyEvent, cap: int = 3) -> Room:
    room = Room(cap=cap)
    for seq, event in enumerate([Joined(who=role("mara"), at=0), Joined(who=role("tobin"), at=0), *events], 1):
        room.fold(Entry(seq=seq, prev=seq - 1, event=event))
    return room


def next_turn(room: Room, *names: str) -> Turn | None:
    """The first turn that any audience waits for."""
    for audience in room.waiting():
        if turn := room.next_turn(room.view(SEATED, [BEN], audience), names, Random(0), audience):
            return turn
    return None


def test_a_person_gets_an_answer() -> None:
    assert next_turn(room_after(posted("So."))) is not None
    assert next_turn(room_after(posted("So.")), "~ann", "tobin") == Turn("tobin", None)


def test_people_among_themselves_are_left_alone() -> None:
    room = room_after(Joined(who=BEN, at=0), posted("Ben, a word?"))
    assert next_turn(room, "~ben", "mara") is None


def test_the_room_falls_silent_at_the_cap() -> None:
    said = [posted("So."), ended("mara"), ended("tobin"), ended("mara", "No.")]
    assert next_turn(room_after(*said[:3]), "mara") == Turn("mara", None)
    assert next_turn(room_after(*said), "tobin") is None


def test_an_empty_room_is_silent() -> None:
    assert next_turn(room_after(), "mara") is None


def test_who_failed_is_not_asked_again() -> None:
    room = room_after(posted("So."), ended("mara", "", "failed"))
    assert [seat.id for seat in room.view(SEATED, [], None).roles] == ["tobin"]
    room.fold(Entry(seq=room.head + 1, prev=room.head, event=posted("And now?")))
    assert [seat.id for seat in room.view(SEATED, [], None).roles] == ["mara", "tobin"]


@pytest.mark.parametrize("status", ["stopped", "interrupted"])
def test_a_stop_silences_the_table(status: str) -> None:
    assert next_turn(room_after(posted("So."), ended("mara", "I was", status)), "tobin") is None


def test_a_reply_to_a_whisper_stays_a_whisper() -> None:
    secret = frozenset({"~ann", "mara"})
    room = room_after(posted("Psst.", audience=secret))
    assert [seat.id for seat in room.view(SEATED, [], secret).roles] == ["mara"]
    assert next_turn(room, "mara") == Turn("mara", secret)


def test_policies_do_not_see_foreign_whispers() -> None:
    room = room_after(posted("Psst.", audience=frozenset({"~ann", "mara"})), posted("So.", BEN))
    assert [message.text for message in room.view(SEATED, [], None).messages] == ["So."]


def test_a_retry_gives_the_turn_back() -> None:
    room = room_after(posted("So."), ended("mara"), ended("tobin"))
    event = room.retry("", ANN, cid="r", at=0, running=False)
    assert event == Retried(supersedes="t-tobin-Aye.", by="~ann", cid="r", at=0)
    room.fold(Entry(seq=room.head + 1, prev=room.head, event=event))
    assert [message.text for message in room.messages] == ["So.", "Aye."]
    assert next_turn(room, "mara") == Turn("tobin", None)


@pytest.mark.parametrize(
    ("events", "id_", "running", "code"),
    [
        ([posted("So.")], "", False, "nothing_to_retry"),
        ([posted("So."), ended("mara")], "t-other", False, "not_last"),
        ([posted("So."), ended("mara")], "", True, "busy"),
        ([posted("So."), ended("mara"), Left(who=role("mara"), cid="l", at=0)], "", False, "nothing_to_retry"),
        ([posted("x", BEN), ended("mara", audience=frozenset({"~ben", "mara"}))], "", False, "nothing_to_retry"),
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(events: list[AnyEvent], id_: str, running: bool, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        room_after(*events).retry(id_, ANN, cid="r", at=0, running=running)
    assert refused.value.code == code


def test_roles_come_and_go() -> None:
    room = room_after()
    with pytest.raises(RefusedError, match="sits here already"):
        room.invite(role("mara"), cid="i", at=0)
    left = room.dismiss("Mara", cid="d", at=0)
    room.fold(Entry(seq=room.head + 1, prev=room.head, event=left))
    assert list(room.seats) == ["tobin"]
    with pytest.raises(RefusedError, match="here sit: tobin"):
        room.dismiss("mara", cid="d", at=0)


def test_blank_lines_are_refused() -> None:
    with pytest.raises(RefusedError, match="nothing in it"):
        room_after().say(" \n ", ANN, id="m", cid="c", at=0)
