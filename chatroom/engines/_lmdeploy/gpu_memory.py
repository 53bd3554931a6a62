"""How much memory of the GPU is free, as the driver says. Knows no engine; loads nothing of CUDA."""

import asyncio
import os
from contextlib import suppress

QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
LONGEST = 20.0


async def free_gpu_bytes() -> int | None:
    """Free bytes of the GPU that LMDeploy will use, the first visible one; None where there is no driver."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    try:
        asked = await asyncio.create_subprocess_exec(
            *QUERY,
            *(["-i", chosen] if chosen else []),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        out, _ = await asyncio.wait_for(asked.communicate(), LONGEST)
    except TimeoutError:
        out = b""
    finally:
        if asked.returncode is None:
            with suppress(ProcessLookupError):
                asked.kill()
            await asked.wait()
    first = out.split()[0] if out.split() else b""
    return int(first) << 20 if first.isdigit() else None
