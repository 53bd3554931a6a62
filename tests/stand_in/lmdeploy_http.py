"""The HTTP side of the stand-in: the paths of LMDeploy's server that we use or must never use, with its answers.

Small on purpose: HTTP/1.1 by hand, one request after another on a connection; a client that goes away cancels its turn.
"""

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from tests.stand_in.lmdeploy_adapters import load
from tests.stand_in.lmdeploy_engine import Failure, Output, Session, StandInEngine, record

OPEN_PATHS = ("/health", "/docs", "/redoc", "/nodes")
INFERENCE = ("/v1/chat/completions", "/v1/completions", "/generate")
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}

Answer = tuple[int, Any]


async def serve(chosen: argparse.Namespace, *, stubborn: bool) -> None:
    """Serves until SIGTERM; then waits for the streams that are open, as uvicorn does."""
    server = StandInServer(chosen)
    asked = asyncio.Event()
    if not stubborn:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    listening = await asyncio.start_server(server.connected, chosen.server_name, chosen.server_port)
    port = listening.sockets[0].getsockname()[1]
    print(f"INFO:     Uvicorn running on http://{chosen.server_name}:{port}", flush=True)
    record(listening=port)
    await asked.wait()
    listening.close()
    while server.streams:
        await server.idle.wait()
    record(ended_by="SIGTERM")


class StandInServer:
    """Answers requests by the flags it was started with."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._name = chosen.model_name or chosen.model_path
        self._engine = StandInEngine(
            Path(chosen.model_path), context=int(chosen.session_len or 4096), caches=chosen.enable_prefix_caching
        )
        self.streams = 0
        self.idle = asyncio.Event()
        most = int(self._engine.faults().get("adapters", 64))
        self._adapters = load(chosen.adapters, most) if chosen.backend == "pytorch" else []  # TurboMind ignores them
        self._models = [self._name, *self._adapters]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await _read_request(reader):
                await self._answer(*request, reader, writer)
        writer.close()

    async def _answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        path = path.partition("?")[0]
        try:
            self._check(method, path, headers)
            asked = json.loads(body) if body else {}
            if path in INFERENCE:
                record(asked=path, body=asked)
                await self._infer(path, asked, reader, writer)
                return
            status, answer = await self._plain(method, path, asked)
        except Failure as failure:
            status, answer = failure.status, _error(failure)
        await _send(writer, status, answer)

    def _check(self, method: str, path: str, headers: dict[str, str]) -> None:
        keys = [f"Bearer {key}" for key in self._chosen.api_keys or []]
        if keys and not path.startswith(OPEN_PATHS) and headers.get("authorization") not in keys:
            raise Failure(401, "Unauthorized.")
        if method == "POST" and not headers.get("content-type", "").startswith("application/json"):
            raise Failure(400, "Unsupported Media Type: Only 'application/json' is allowed")
        if path in INFERENCE and self._engine.sleeping:
            raise Failure(503, "Engine is sleeping; call POST /wakeup before inference")

    async def _plain(self, method: str, path: str, asked: dict[str, Any]) -> Answer:
        known: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "/v1/models": self._list,
            "/v1/encode": self._encode,
            "/abort_request": self._abort,
            "/sleep": self._sleep,
            "/wakeup": self._wake,
            "/is_sleeping": lambda _: (200, {"is_sleeping": self._engine.sleeping}),
        }
        if path == "/health":
            return await self._health()
        if path not in known:
            raise Failure(404, "Not Found")
        return known[path](asked)

    async def _health(self) -> Answer:
        faults = self._engine.faults()
        if "sleepless" in faults:
            await asyncio.Event().wait()
        if "initializing" in faults or "unhealthy" in faults:
            return 503, {"status": "initializing", "message": "Engine health monitor is starting."}
        return 200, {"status": "sleeping" if self._engine.sleeping else "healthy", "message": ""}

    def _list(self, _: dict[str, Any]) -> Answer:
        cards = [{"id": name, "object": "model", "owned_by": "lmdeploy", "root": name} for name in self._models]
        return 200, {"object": "list", "data": cards}

    def _encode(self, asked: dict[str, Any]) -> Answer:
        ids = self._engine.vocabulary.encode(asked["input"])
        return 200, {"input_ids": ids, "length": len(ids)}

    def _abort(self, asked: dict[str, Any]) -> Answer:
        if not self._chosen.enable_abort_handling:
            return 501, None
        if asked.get("abort_all"):
            record(aborted="all")
            for session in self._engine.sessions.values():
                session.aborted.set()
            return 200, None
        session = self._engine.find(asked.get("session_id", -1))
        if session is None:
            raise Failure(400, f"Session {asked.get('session_id')} not found.")
        record(aborted=session.user)
        session.aborted.set()
        return 200, None

    def _sleep(self, _: dict[str, Any]) -> Answer:
        """Broken on TurboMind: the flag is set before the engine fails, and nothing ever takes it back."""
        record(slept=True)
        self._engine.sleeping = True
        if self._chosen.backend == "pytorch":
            return 200, None
        raise Failure(500, "Internal Server Error")

    def _wake(self, asked: dict[str, Any]) -> Answer:
        if self._chosen.backend == "turbomind":
            return self._sleep(asked)
        self._engine.sleeping = False
        return 200, None

    # --- inference ----------------------------------------------------------------------------------------------------

    async def _infer(
        self, path: str, asked: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        ids, stops = self._prompt(path, asked)
        session = self._engine.open(asked.get("session_id", -1))
        most = asked.get("max_completion_tokens") or asked.get("max_tokens") or 128
        seed = asked.get("seed") if path != "/generate" else None
        adapter = asked.get("model") if asked.get("model") in self._adapters else ""
        outputs = self._engine.run(session, ids, most, stops, seed, adapter)
        if not asked.get("stream"):
            await _send(writer, 200, await self._whole(path, outputs))
            return
        self.streams += 1
        self.idle.clear()
        try:
            await self._stream(path, asked, session, outputs, reader, writer)
        finally:
            await outputs.aclose()
            self.streams -= 1
            self.idle.set()

    def _prompt(self, path: str, asked: dict[str, Any]) -> tuple[list[int], set[int]]:
        """Ids of what is asked, and the ids that end it; refuses what LMDeploy refuses, in its words."""
        if path != "/generate" and asked.get("model") not in self._models:
            raise Failure(404, f"The model {asked.get('model')!r} does not exist.")
        if asked.get("session_id", -1) in self._engine.sessions:
            raise Failure(400, f"The session_id {asked['session_id']!r} is occupied.")
        if asked.get("messages") and asked.get("input_ids") is not None:
            raise Failure(400, "input_ids cannot be used when messages is non-empty. messages takes priority.")
        if not 0 < (asked.get("top_p") or 1) <= 1:
            raise Failure(400, f"The top_p {asked['top_p']!r} must be in (0, 1].")
        if not 0 <= (asked.get("temperature") or 0) <= 2:
            raise Failure(400, f"The temperature {asked['temperature']!r} must be in [0, 2]")
        ids = asked.get("input_ids")
        if ids is None:
            text = asked.get("prompt") or "\n".join(turn["content"] for turn in asked.get("messages") or [])
            ids = self._engine.vocabulary.encode(text)
        if not ids:
            raise Failure(400, "The input_ids must not be an empty list.")
        self._engine.check_length(ids)
        words = [id_ for word in asked.get("stop") or [] if (id_ := self._engine.vocabulary.id_of(word)) is not None]
        return ids, {*words, *(asked.get("stop_token_ids") or [] if path == "/generate" else [])}

    async def _whole(self, path: str, outputs: AsyncGenerator[Output, None]) -> Any:
        ids: list[int] = []
        last = None
        async for last in outputs:
            ids += last.ids
        assert last
        text = self._engine.vocabulary.decode(ids)
        if path == "/generate":
            return _generated(last, ids, text)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "text": text, "finish_reason": last.finish}
        return {"model": self._name, "choices": [choice], "usage": _usage(last)}

    async def _stream(
        self,
        path: str,
        asked: dict[str, Any],
        session: Session,
        outputs: AsyncGenerator[Output, None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Tells frames until it ends, or until the client is gone: then the turn is cancelled."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        telling = asyncio.create_task(self._tell(path, asked, outputs, writer))
        gone = asyncio.create_task(reader.read(1))
        await asyncio.wait([telling, gone], return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            record(gone=session.user)
            session.aborted.set()
            telling.cancel()
        gone.cancel()
        await asyncio.gather(telling, gone, return_exceptions=True)
        if telling.cancelled() or telling.exception():
            raise ConnectionResetError

    async def _tell(
        self, path: str, asked: dict[str, Any], outputs: AsyncGenerator[Output, None], writer: asyncio.StreamWriter
    ) -> None:
        faults, last = self._engine.faults(), None
        try:
            async for last in outputs:
                await _frame(writer, json.dumps(self._chunk(path, asked, last, faults)))
            options = asked.get("stream_options") or {}
            if last and options.get("include_usage") and path != "/generate" and "no_usage" not in faults:
                await _frame(writer, json.dumps({"model": self._name, "choices": [], "usage": _usage(last)}))
        except Failure as failure:  # the status was 200 already
            await _frame(writer, json.dumps({"error": _error(failure)}))
        await _frame(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _chunk(self, path: str, asked: dict[str, Any], output: Output, faults: dict[str, str]) -> dict[str, Any]:
        text = self._engine.vocabulary.decode(output.ids)
        if path == "/generate":
            return _generated(output, output.ids, text)
        choice: dict[str, Any] = {"index": 0, "finish_reason": output.finish}
        choice |= {"delta": {"role": "assistant", "content": text}} if "chat" in path else {"text": text}
        if asked.get("return_token_ids") and "no_ids" not in faults:
            choice["output_ids"] = output.ids
        return {"object": "chat.completion.chunk", "model": asked["model"], "choices": [choice]}


def _generated(output: Output, ids: list[int], text: str) -> dict[str, Any]:
    finish = {"type": output.finish} if output.finish else None
    meta = {"prompt_tokens": output.prompt, "completion_tokens": output.told, "finish_reason": finish}
    return {"text": text, "output_ids": ids, "meta_info": meta}


def _usage(output: Output) -> dict[str, Any]:
    total = {"prompt_tokens": output.prompt, "completion_tokens": output.told}
    details = {"cached_tokens": output.cached}
    return total | {"total_tokens": output.prompt + output.told, "prompt_tokens_details": details}


def _error(failure: Failure) -> dict[str, Any]:
    kind = "server_error" if failure.status >= 500 else "invalid_request_error"
    return {"message": failure.message, "type": kind, "code": failure.status, "param": None, "object": "error"}


async def _frame(writer: asyncio.StreamWriter, data: str) -> None:
    raw = f"data: {data}\n\n".encode()
    writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
    await writer.drain()


async def _send(writer: asyncio.StreamWriter, status: int, answer: Any) -> None:
    raw = b"" if answer is None else json.dumps(answer).encode()
    head = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\nContent-Length: {len(raw)}\r\n"
    head += "Content-Type: application/json\r\n" if raw else ""
    writer.write(head.encode() + b"\r\n" + raw)
    await writer.drain()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes] | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", 0)))
