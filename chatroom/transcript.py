"""What one reader has heard: entries of the log folded into messages, in order.

Retried replies are gone, failed or empty ones never stood in it. Only the entries since the last anchor are kept, and
the anchor follows from the head alone, so a restart folds to the same messages. Knows no store: entries are handed in
as `history.view` gave them, which is where the audience was decided.
"""

from collections.abc import Iterable
from typing import Literal

from chatroom.messages import Ended, Entry, Joined, Left, Message, Posted, Retried

ANCHOR = 2048
"""Entries between anchors; at least this many, at most twice as many, are kept."""


def anchor(head: int) -> int:
    """The seq after which a transcript with this head begins."""
    return max(0, head // ANCHOR - 1) * ANCHOR


class Transcript:
    """The messages of one reader, oldest first."""

    def __init__(self) -> None:
        self.seq = 0
        self.messages: list[Message] = []

    def extend(self, entries: Iterable[Entry], head: int) -> None:
        """Folds further entries up to the room's `head`; those already folded are passed over."""
        for entry in entries:
            if self.seq < entry.seq <= head:
                self._fold(entry)
                self.seq = entry.seq
        if self.messages and self.messages[0].seq <= (oldest := anchor(head)):
            self.messages = [message for message in self.messages if message.seq > oldest]

    def _fold(self, entry: Entry) -> None:
        match entry.event:
            case Posted() as said:
                self._add(entry.seq, said)
            case Ended() as said if said.text:
                self._add(entry.seq, said, heard=said.heard, hands_to=said.hands_to)
            case Retried(supersedes=gone):
                self.messages = [message for message in self.messages if message.id != gone]
            case Joined(who=who, cid=cid) | Left(who=who, cid=cid) if who.kind == "role" and cid:
                notice: Literal["joined", "left"] = "joined" if isinstance(entry.event, Joined) else "left"
                self.messages.append(Message(seq=entry.seq, id="", author=who, text="", notice=notice))
            case _:
                pass

    def _add(self, seq: int, said: Posted | Ended, *, heard: int = 0, hands_to: str = "") -> None:
        self.messages.append(
            Message(
                seq=seq,
                id=said.id,
                author=said.author,
                text=said.text,
                audience=said.audience,
                heard=heard,
                hands_to=hands_to,
            )
        )
