"""The exact command line that starts a server of LMDeploy: pure.

It says everything that LMDeploy would otherwise choose by itself: the loopback address, a key of our own, prefix
caching, abort handling, the batch size, LMDeploy's own generation defaults and the cache's share of the memory. Knows
no process and no file.
"""

from collections.abc import Sequence

import msgspec

from chatroom.engines._cache_share import CUDA_CONTEXT, STEPS
from chatroom.engines._cache_share import cache_share as share_of
from chatroom.errors import EngineError

BATCH = 16
"""Turns computed at a time; LMDeploy's default of up to 1024 is for a public server and takes memory for as many."""
BLOCK = 64
"""Token ids in a block of the KV cache: what is shared between turns is shared in whole blocks."""

OURS = (
    "--adapters",
    "--allow-terminate-by-client",
    "--api-keys",
    "--backend",
    "--model-name",
    "--proxy-url",
    "--server-name",
    "--server-port",
    "--trust-remote-code",
)
"""Flags that can't be set by hand: each would open the server to others, or make it another one than we ask."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What a server is started with.

    Args:
        command: What starts LMDeploy, with its first arguments.
        base: Folder of the weights, or a hub id.
        name: What the model is called there; a request with another name is refused.
        key: What requests must show.
        context: Most positions of a prompt and its reply.
        backend: Which of LMDeploy's engines: "turbomind" or "pytorch".
        adapters: Name and folder of each LoRA that the PyTorch engine loads.
        cache_share: Part of the memory that is free once the weights are loaded, for the KV cache; 0 leaves it to
            LMDeploy.
        flags: More flags, after ours.
    """

    command: tuple[str, ...]
    base: str
    name: str
    port: int
    key: str
    context: int
    backend: str = "turbomind"
    adapters: tuple[tuple[str, str], ...] = ()
    cache_share: float = 0.0
    dtype: str = "auto"
    batch: int = BATCH
    flags: tuple[str, ...] = ()


def command_line(launch: Launch) -> tuple[str, ...]:
    """The program and its arguments.

    Raises:
        EngineError: A flag of the settings would take away what the server is started for.
    """
    check_flags(launch.flags)
    adapters = ("--adapters", *(f"{name}={folder}" for name, folder in launch.adapters)) if launch.adapters else ()
    share = ("--cache-max-entry-count", f"{launch.cache_share:.6f}") if launch.cache_share else ()
    return (
        *launch.command,
        *("serve", "api_server", launch.base),
        *("--backend", launch.backend, "--model-name", launch.name),
        *("--server-name", "127.0.0.1", "--server-port", str(launch.port), "--api-keys", launch.key),
        *("--session-len", str(launch.context), "--max-batch-size", str(launch.batch)),
        *adapters,
        *("--dtype", launch.dtype if launch.dtype in ("float16", "bfloat16") else "auto"),
        *("--cache-block-seq-len", str(BLOCK), "--enable-prefix-caching", *share),
        *("--generation-config", "lmdeploy", "--enable-abort-handling", "--disable-fastapi-docs"),
        *("--log-level", "WARNING"),
        *launch.flags,
    )


def check_flags(flags: Sequence[str]) -> None:
    """Refuses flags that are ours; also shortened, as LMDeploy's own parser would take them.

    Raises:
        EngineError: Naming the flag.
    """
    for flag in flags:
        name = flag.partition("=")[0].replace("_", "-")
        if name.startswith("--") and len(name) > 2 and (taken := [own for own in OURS if own.startswith(name)]):
            raise EngineError(
                f"lmdeploy_flags: {flag!r} is set by the engine itself ({', '.join(taken)}); take it out", code="engine"
            )


def cache_share(cache_bytes: int, free: int, weights: int) -> float:
    """The share that gives a KV cache of so many bytes.

    Args:
        cache_bytes: What the cache may take; 0 leaves it to LMDeploy.
        free: Bytes of GPU memory that nobody uses, before the weights are loaded.
        weights: Bytes that the weights will take.

    Raises:
        EngineError: There is less memory than that.
    """
    if not cache_bytes:
        return 0.0
    if cache_bytes >= free - weights - CUDA_CONTEXT:
        raise EngineError(
            f"there is not enough GPU memory: {_gib(free)} are free, the weights take {_gib(weights)} and the cache "
            f"wants {_gib(cache_bytes)}; stop another engine, set a smaller context or use int4 weights",
            code="engine",
        )
    return max(1 / STEPS, share_of(cache_bytes, free, weights))


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
