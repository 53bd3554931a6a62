"""What is measured with: weights, LMDeploy's command, sizes, and a folder for what is made on the way. Pure data."""

from pathlib import Path
from typing import Literal

import msgspec

Dtype = Literal["float32", "bfloat16", "float16"]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Args:
        base: Folder of the base in 16 bit.
        int4: Folder of the same in int4; it is made there if it is missing.
        command: What starts LMDeploy.
        folder: For logs and what is made on the way.
        dtype: Of the 16 bit weights on the GPU.
        device: Where transformers computes what is compared with.
        context: Positions of a prompt and its reply.
        cache: Bytes of each server's KV cache.
        streams: How many replies at a time.
        tokens: Of each reply that is timed.
        lines: How long the transcript of such a reply is, in lines.
        rooms: Lengths of the growing room, in lines.
        replies: How many replies are compared with transformers.
        rounds: How often each timing is done; the best counts.
        start: Longest start of a server, in seconds.
    """

    base: Path
    int4: Path
    command: tuple[str, ...]
    folder: Path
    dtype: Dtype = "bfloat16"
    device: str = "cuda"
    context: int = 2048
    cache: int = 2 << 30
    streams: tuple[int, ...] = (1, 8, 32)
    tokens: int = 128
    lines: int = 16
    rooms: tuple[int, ...] = (8, 16, 32, 48, 64)
    replies: int = 16
    rounds: int = 3
    start: float = 120.0
