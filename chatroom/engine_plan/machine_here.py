"""The machine that the engines run on, as the driver or the system tells of it.

What is free here is free for a plan: ask while no engine of ours runs. Imports no torch: asking it would take memory
of the GPU. Knows no plan.
"""

import os
from pathlib import Path

from chatroom.engine_plan.wishes import Machine
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.settings import Settings

MEMINFO, LIMIT = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
CPUINFO, HALF_UNITS = Path("/proc/cpuinfo"), {"avx512_bf16", "amx_tile"}


async def machine_here(settings: Settings) -> Machine:
    """The GPU of this machine within the limit of the settings, or its processor."""
    free = await free_gpu_bytes() if settings.device != "cpu" else None
    if free is not None:
        memory = settings.gpu_memory or free
        return Machine(gpu=True, memory=memory, free=free, dtype=settings.dtype, keeps=settings.memory)
    free, units = system_free(), has_half_units()
    return Machine(gpu=False, memory=free, free=free, dtype=settings.dtype, keeps=settings.memory, half_units=units)


def system_free() -> int:
    """Bytes of memory that new processes may take, within the limit of the container."""
    found = next((line.split()[1] for line in _lines(MEMINFO) if line.startswith("MemAvailable:")), "")
    free = int(found) * 1024 if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = next(iter(_lines(LIMIT)), "")
    return min(free, int(limit)) if limit.isdecimal() else free


def has_half_units() -> bool:
    """Whether the processor computes in bfloat16, as the embedded engine will find it."""
    flags = next((line for line in _lines(CPUINFO) if line.startswith("flags")), "")
    return not HALF_UNITS.isdisjoint(flags.split())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError:
        return []
