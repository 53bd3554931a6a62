"""The wire, `chatroom.v1`: one struct per frame, encode and decode; knows no socket.

Text frames, one JSON object each, told apart by `op`. The server refuses what it does not know (unknown op, unknown
field, wrong type, over a limit); clients ignore what they do not know, so that a newer server can say more.
Only committed events carry `seq` and `prev`; `start`, `delta`, `snap` carry a turn id, and `end` heals what was lost.
docs/frames.md is generated from here: the docstrings are the reference.
"""

from typing import Annotated, TypedDict

import msgspec
from msgspec import Meta

from chatroom.errors import FrameError
from chatroom.messages import Audience, Ended, Entry, Joined, Left, Passage, Posted, Retried, Speaker, Status, Usage

SUBPROTOCOL = "chatroom.v1"
MAX_FRAME = 32_768
"""Largest frame that a client may send, in bytes: the longest text fits, however its characters are escaped."""
MAX_TEXT = 4_000
"""Longest text of a message, in code points."""
MAX_PAGE = 200
"""Most events in one page of history."""

Cid = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
RoomId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Short = Annotated[str, Meta(max_length=128)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]


class ClientFrame(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="op"
):
    """What a client may send."""


class Seat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A room that the client wants to sit in; `epoch` and `seq` are what it saw last, if it was there before."""

    room: RoomId
    epoch: Short = ""
    seq: Seq = 0


class Hello(ClientFrame, tag="hello", frozen=True, kw_only=True):
    """The first frame on a connection, within five seconds. Without `rooms` the server's first room is meant."""

    name: Annotated[str, Meta(max_length=128)]
    token: Annotated[str, Meta(max_length=256)] = ""
    client: Short = ""
    rooms: Annotated[tuple[Seat, ...], Meta(max_length=16)] = ()


class Say(ClientFrame, tag="say", frozen=True, kw_only=True):
    """Says something. The same `cid` sent again posts nothing and is answered with the first one's `ok`."""

    cid: Cid
    room: RoomId
    text: Text


class Stop(ClientFrame, tag="stop", frozen=True, kw_only=True):
    """Ends the running turn; what was said so far is kept. Without `turn` whichever is running is meant."""

    cid: Cid
    room: RoomId
    turn: Short = ""


class Retry(ClientFrame, tag="retry", frozen=True, kw_only=True):
    """Asks for another reply in place of the last one. `id` guards against retrying what was not seen."""

    cid: Cid
    room: RoomId
    id: Short = ""


class Invite(ClientFrame, tag="invite", frozen=True, kw_only=True):
    """Seats a role of the server's folder."""

    cid: Cid
    room: RoomId
    role: Short


class Dismiss(ClientFrame, tag="dismiss", frozen=True, kw_only=True):
    """Sends a role away; it can be invited again."""

    cid: Cid
    room: RoomId
    role: Short


class History(ClientFrame, tag="history", frozen=True, kw_only=True):
    """Asks for a page of events: those after a seq, else the nearest ones before one, else the latest."""

    cid: Cid
    room: RoomId
    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class Typing(ClientFrame, tag="typing", frozen=True, kw_only=True):
    """Tells the others that this person is typing; at most one a second is passed on."""

    room: RoomId


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op"):
    """What the server sends. Unknown fields and unknown ops are to be ignored by clients."""


class Durable(ServerFrame, frozen=True, kw_only=True):
    """A committed event. `prev` is the seq of the last event that this reader may see before it."""

    room: str
    seq: int
    prev: int
    at: float
    audience: Audience | None = None


class Place(TypedDict):
    """The fields of a durable frame that say where it stands."""

    room: str
    seq: int
    prev: int
    at: float
    audience: Audience | None


class PostedFrame(Durable, tag="posted", frozen=True, kw_only=True):
    """A person's message."""

    id: str
    author: Speaker
    text: str


class EndFrame(Durable, tag="end", frozen=True, kw_only=True):
    """A role's turn is over: the whole text, whatever deltas were seen.

    `passages` are what the role was reminded of before it spoke, `usage` is how many token ids its `prompt` had and how
    many of them the engine still had `cached`: both only as far as everybody who hears it may know of what stood in the
    prompt. `usage` is missing where the engine did not say it.
    """

    id: str
    author: Speaker
    text: str
    status: Status
    code: str = ""
    error: str = ""
    passages: tuple[Passage, ...] = ()
    usage: Usage | None = None


class RetriedFrame(Durable, tag="retried", frozen=True, kw_only=True):
    """The message `supersedes` is no longer part of the transcript; another reply follows."""

    supersedes: str
    by: str


class JoinedFrame(Durable, tag="joined", frozen=True, kw_only=True):
    """A role took a seat, or a person came for the first time."""

    who: Speaker


class LeftFrame(Durable, tag="left", frozen=True, kw_only=True):
    """A role was dismissed."""

    who: Speaker


DurableFrame = PostedFrame | EndFrame | RetriedFrame | JoinedFrame | LeftFrame


class Snap(ServerFrame, tag="snap", frozen=True, kw_only=True):
    """All of a running turn so far: for those who come late or missed deltas."""

    room: str
    turn: str
    author: Speaker
    text: str
    audience: Audience | None = None


def durable(room: str, entry: Entry) -> DurableFrame:
    """The frame that tells a committed event."""
    event = entry.event
    place: Place = {"room": room, "seq": entry.seq, "prev": entry.prev, "at": event.at, "audience": event.audience}
    match event:
        case Posted(id=id_, author=author, text=text):
            return PostedFrame(**place, id=id_, author=author, text=text)
        case Ended() as ended:
            return EndFrame(
                **place,
                id=ended.id,
                author=ended.author,
                text=ended.text,
                status=ended.status,
                code=ended.code,
                error=ended.error,
                passages=tuple(passage for passage in ended.passages if _may_know(event.audience, passage)),
                usage=_known_usage(ended),
            )
        case Retried(supersedes=supersedes, by=by):
            return RetriedFrame(**place, supersedes=supersedes, by=by)
        case Joined(who=who):
            return JoinedFrame(**place, who=who)
        case Left(who=who):
            return LeftFrame(**place, who=who)


def _known_usage(ended: Ended) -> Usage | None:
    """What a turn's prompt cost, unless its length would tell of whispers that a reader did not hear."""
    usage = ended.usage
    if usage is None or not _may_know(ended.audience, usage):
        return None
    return msgspec.structs.replace(usage, audience=None)


def _may_know(readers: Audience | None, told: Passage | Usage) -> bool:
    """Whether everybody who hears a turn may know of what it was given."""
    return told.audience is None or (readers is not None and readers <= told.audience)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is held to: bytes a frame, code points a text, events a page, frames at once and a second."""

    frame: int = MAX_FRAME
    text: int = MAX_TEXT
    page: int = MAX_PAGE
    burst: int = 30
    per_second: float = 5.0


class Seated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a room's roster; `aliases` may be used to address the speaker."""

    who: Speaker
    about: str = ""
    aliases: tuple[str, ...] = ()
    online: bool = True
    fault: str = ""
    """Why a role can't speak at the moment."""


class RoomState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A room as it stands for one reader.

    `recovered` says that `events` continue what the client had seen; otherwise it must forget it and begin with these.
    `more` says that there are events it has not been sent: later ones when resuming, earlier ones otherwise.
    `running` are the turns under way, with their words so far.
    """

    room: str
    name: str
    premise: str
    epoch: str
    head: int
    roster: tuple[Seated, ...]
    recovered: bool
    events: tuple[DurableFrame, ...]
    more: bool
    busy: bool
    running: tuple[Snap, ...] = ()


class Welcome(ServerFrame, tag="welcome", frozen=True, kw_only=True):
    """The answer to hello: who one is, what the limits are, and every room asked for."""

    you: Speaker
    session: str
    server: str
    limits: Limits
    rooms: tuple[RoomState, ...]


class Ok(ServerFrame, tag="ok", frozen=True, kw_only=True):
    """The answer to a frame with that `cid`; `events` and `more` answer `history`."""

    cid: str
    seq: int = 0
    id: str = ""
    dup: bool = False
    events: tuple[DurableFrame, ...] = ()
    more: bool = False


class Start(ServerFrame, tag="start", frozen=True, kw_only=True):
    """A role begins to speak."""

    room: str
    turn: str
    author: Speaker
    audience: Audience | None = None


class Delta(ServerFrame, tag="delta", frozen=True, kw_only=True):
    """More of a running turn. `offset` counts code points from its beginning, so a doubled or lost one is noticed."""

    room: str
    turn: str
    offset: int
    text: str


class Floor(ServerFrame, tag="floor", frozen=True, kw_only=True):
    """Whose turn it is to think (`next`), or that the room has fallen silent after the event `seq` (`busy` false)."""

    room: str
    seq: int
    busy: bool
    next: str = ""


class Presence(ServerFrame, tag="presence", frozen=True, kw_only=True):
    """The roster changed: the whole of it, at most once a second."""

    room: str
    roster: tuple[Seated, ...]


class TypingFrame(ServerFrame, tag="typing", frozen=True, kw_only=True):
    """Somebody is typing."""

    room: str
    who: Speaker


class Error(ServerFrame, tag="error", frozen=True, kw_only=True):
    """A frame was refused, or something went wrong; `fatal` means that the connection ends.

    `code` is stable; `text` is for people; `path` points at the field at fault.
    """

    code: str
    text: str
    cid: str = ""
    path: str = ""
    retry_ms: int = 0
    fatal: bool = False


class Bye(ServerFrame, tag="bye", frozen=True, kw_only=True):
    """The server closes; come back after `retry_ms`."""

    code: str
    retry_ms: int = 0


AnyClientFrame = Hello | Say | Stop | Retry | Invite | Dismiss | History | Typing
AnyServerFrame = (
    Welcome | Ok | PostedFrame | EndFrame | RetriedFrame | JoinedFrame | LeftFrame
    | Start | Delta | Snap | Floor | Presence | TypingFrame | Error | Bye
)  # fmt: skip

ERROR_CODES = {
    "bad_json": "the frame is not valid JSON",
    "bad_field": "the frame is JSON, but not one of this protocol; `path` points at the field",
    "bad_frame": "the frame can't be read for another reason",
    "no_hello": "the first frame was not hello",
    "hello_again": "hello is said once",
    "token": "the token is missing or wrong",
    "bad_name": "nobody may be called that",
    "name_taken": "a character has that name",
    "no_room": "there is no such room",
    "forbidden": "you do not sit in that room",
    "rate": "too many frames; wait `retry_ms`",
    "blank": "there is nothing in the text",
    "cid_conflict": "this cid was used for something else",
    "busy": "somebody is speaking",
    "nothing_running": "nobody is speaking",
    "nothing_to_retry": "the last line is not a character's, or is not for you",
    "not_last": "something was said since the reply that is to be tried again",
    "bad_role": "there is no such role, or its folder is broken",
    "already_seated": "the role sits here already",
    "not_seated": "the role does not sit here",
    "unexpected": "the frame is not for a room",
    "storage": "the log can't be written or read; what was not acknowledged was not posted",
}
"""What an error frame's `code` means; all are safe to try again but for what they name."""

END_CODES = {
    "bad_folder": "the role's folder is broken",
    "no_plugin": "there is no such engine",
    "bad_base": "the base can't be loaded",
    "no_adapter": "the adapter is missing or does not fit the base",
    "layout": "the base has no chat template, and the role wants one",
    "bad_prompt": "there was nothing to ask",
    "too_long": "prompt and reply do not fit into the context",
    "timeout": "it took too long",
    "empty": "the model found no words",
    "engine_lost": "the engine's process ended",
    "no_access": "the server's key is missing or refused",
    "overloaded": "the server has too much to do",
    "engine": "the engine failed",
    "internal": "our own mistake; the server's log says more",
}
"""What the `code` of a failed turn's end means."""

CLOSE_CODES = {
    1003: "a frame was binary",
    1009: "a frame was too large",
    1011: "the server failed at this connection; try again",
    1012: "the server ends or restarts; come back after the bye's retry_ms",
    4001: "no hello in time, or a token that does not fit",
    4002: "too many frames that could not be read",
    4003: "not let in: a name or room that is refused",
    4008: "too many frames",
}
"""What a close code of the server means."""

_encoder = msgspec.json.Encoder()
_from_client: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_from_server: msgspec.json.Decoder[AnyServerFrame] = msgspec.json.Decoder(AnyServerFrame)


def encode(frame: ClientFrame | ServerFrame) -> bytes:
    """Encodes a frame as UTF-8 JSON."""
    return _encoder.encode(frame)


def decode_client(raw: str | bytes) -> AnyClientFrame:
    """Reads what a client sent.

    Raises:
        FrameError: It is no frame of this protocol; the error names the field, and the `cid` if one could be read.
    """
    try:
        return _from_client.decode(raw)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _explain(raw, error) from error


def decode_server(raw: str | bytes) -> AnyServerFrame | None:
    """Reads what a server sent; None for a frame that this client does not know."""
    try:
        return _from_server.decode(raw)
    except msgspec.ValidationError:
        return None
    except msgspec.DecodeError as error:
        raise FrameError(f"the server sent something that is not a frame: {error}") from error


class _OnlyCid(msgspec.Struct):
    cid: str = ""


def _explain(raw: str | bytes, error: Exception) -> FrameError:
    """Builds the error for an unreadable frame; its `cid` is kept so that the client knows which one it was."""
    if not isinstance(error, msgspec.ValidationError):
        return FrameError(f"not valid JSON: {error}", code="bad_json")
    problem, _, path = str(error).partition(" - at `")
    try:
        cid = msgspec.json.decode(raw, type=_OnlyCid).cid[:64]
    except msgspec.DecodeError:
        cid = ""
    return FrameError(problem, code="bad_field", path=path.rstrip("`"), cid=cid)
