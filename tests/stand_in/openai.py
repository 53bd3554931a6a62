"""A small OpenAI-compatible server, in-process on 127.0.0.1: it repeats what it heard, and misbehaves where told.

Written from what vLLM, LMDeploy, llama.cpp and Ollama send; knows nothing of chatroom. A trouble in `troubles` is for
the next POST; without one the reply is the last line heard, word by word.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Writer = asyncio.StreamWriter


@dataclass
class Gate:
    """A place where an answer waits: `reached` tells that it is there, setting `opened` lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong in one answer.

    Attributes:
        status: Answered in place of 200, with `body` and `headers`.
        raw: Bytes that are sent after `after` words, in place of the rest.
        cut: The connection is cut after `after` words.
        gate: Where the answer waits after `after` words.
        unending: Words go on for ever.
    """

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""
    cut: bool = False
    gate: Gate | None = None
    after: int = 1
    unending: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class StandIn:
    """The server; use it as a context.

    Attributes:
        models: The entries of /v1/models.
        key: What a request must bring as a bearer.
        paths: Endpoints there are.
        refuses: Fields of a body that are answered with 400.
        pages: Further paths and the JSON that lies there.
        troubles: For the next POSTs to an endpoint.
        replies: Texts in place of the echo, for the next POSTs.
        usage: Fields of the event before the last, for those who ask for it; nothing where it is empty.
        progress: Fields of an event before the first word, for those who ask for it.
        asked: Every request, the oldest first.
        gone: Set when a client goes away during an answer.
    """

    def __init__(self, *models: str, key: str = "", refuses: frozenset[str] = frozenset()) -> None:
        self.models: list[dict[str, Any]] = [{"id": name, "object": "model"} for name in models or ("tavern",)]
        self.key, self.refuses = key, refuses
        self.paths = {"/v1/completions", "/v1/chat/completions"}
        self.pages: dict[str, dict[str, Any]] = {}
        self.troubles: deque[Trouble] = deque()
        self.replies: deque[str] = deque()
        self.usage: dict[str, Any] = {}
        self.progress: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.gone = asyncio.Event()
        self.address = ""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, port: int = 0) -> None:
        self._talks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", port)
        self.address = "http://{}:{}/v1".format(*self._server.sockets[0].getsockname())

    async def close(self) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    @property
    def talking(self) -> int:
        """How many connections are open."""
        return len(self._talks)

    async def silence(self) -> None:
        """Waits until no connection is open."""
        await asyncio.gather(*self._talks, return_exceptions=True)

    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def _welcome(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Answers one request; a connection is for one only, but for nothing else is it closed early."""
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            answering = asyncio.ensure_future(self._answer(asked, writer))
            leaving = asyncio.ensure_future(reader.read())
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() or answering.exception():
                    self.gone.set()
            finally:
                answering.cancel()
                leaving.cancel()
                await asyncio.gather(answering, leaving, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, asked: Asked, writer: Writer) -> None:
        if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
            said = f"Incorrect API key provided: {asked.headers.get('authorization', '')}"
            await _send(writer, 401, json.dumps({"error": {"message": said, "code": "invalid_api_key"}}))
        elif asked.path == "/v1/models":
            await _send(writer, 200, json.dumps({"object": "list", "data": self.models}))
        elif asked.path in self.pages:
            await _send(writer, 200, json.dumps(self.pages[asked.path]))
        elif asked.path in self.paths:
            await self._complete(asked, writer)
        else:
            await _send(writer, 404, '{"detail":"Not Found"}')

    async def _complete(self, asked: Asked, writer: Writer) -> None:
        trouble = self.troubles.popleft() if self.troubles else Trouble()
        model = asked.body["model"]
        if trouble.status != 200 or trouble.body:
            await _send(writer, trouble.status, trouble.body, trouble.headers)
            await self._misbehaves(trouble, writer)
        elif model not in [entry["id"] for entry in self.models]:
            problem = {"message": f"The model `{model}` does not exist.", "type": "NotFoundError", "code": 404}
            await _send(writer, 404, json.dumps({"error": problem}))
        elif refused := next((key for key in asked.body if key in self.refuses), None):
            problem = {"message": f"Unrecognized request argument supplied: {refused}", "param": None, "code": None}
            await _send(writer, 400, json.dumps({"error": problem}))
        else:
            await self._stream(asked, trouble, writer)

    async def _stream(self, asked: Asked, trouble: Trouble, writer: Writer) -> None:
        await _head(writer, 200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        chat = "chat" in asked.path
        reply = self.replies.popleft() if self.replies else _echo(asked.body)
        words = re.findall(r"\s*\S+(?:\s+$)?|\s+$", reply)[: asked.body["max_tokens"]]
        if self.progress and asked.body.get("return_progress"):
            await _chunk(writer, event({"choices": [], **self.progress}))
        for number, word in enumerate([*words, ""]):
            if number == trouble.after and await self._misbehaves(trouble, writer):
                return
            if word:
                await _chunk(writer, _event(chat, word, None))
        while trouble.unending:
            await _chunk(writer, _event(chat, " more", None))
        await _chunk(writer, _event(chat, "", "stop"))
        if self.usage and (asked.body.get("stream_options") or {}).get("include_usage"):
            await _chunk(writer, event({"choices": [], **self.usage}))
        await _chunk(writer, b"data: [DONE]\n\n")
        await _chunk(writer, b"")

    async def _misbehaves(self, trouble: Trouble, writer: Writer) -> bool:
        """Whether that was the end of the answer."""
        if trouble.gate:
            trouble.gate.reached.set()
            await trouble.gate.opened.wait()
        if trouble.cut:
            writer.transport.abort()
        if trouble.raw:
            await _chunk(writer, trouble.raw)
            await _chunk(writer, b"")
        return trouble.cut or bool(trouble.raw)


def event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def _event(chat: bool, word: str, reason: str | None) -> bytes:
    said: dict[str, Any] = {"delta": {"content": word}} if chat else {"text": word}
    return event({"id": "1", "choices": [{"index": 0, **said, "finish_reason": reason}]})


def _echo(body: Mapping[str, Any]) -> str:
    """The last line but for the tail and the reply's beginning."""
    heard = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
    lines = [line for line in heard.splitlines() if ": " in line]
    return f" I heard: {lines[-1] if lines else heard}"


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, json.loads(raw) if raw else {})


async def _head(writer: Writer, status: int, headers: Mapping[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close", *(f"{key}: {each}" for key, each in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await writer.drain()


async def _send(writer: Writer, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
    raw = body.encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}
    await _head(writer, status, given)
    writer.write(raw)
    await writer.drain()


async def _chunk(writer: Writer, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()
