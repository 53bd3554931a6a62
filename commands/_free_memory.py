"""How much memory is free on this machine, for a plan. Knows no plan."""

import os
from pathlib import Path

MEMINFO, LIMIT = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def gpu_free() -> int | None:
    """Bytes that the driver says are free on the first GPU; None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    return int(torch.cuda.mem_get_info()[0])


def system_free() -> int:
    """Bytes of memory that new processes may take, within the limit of the container."""
    found = next((line.split()[1] for line in _lines(MEMINFO) if line.startswith("MemAvailable:")), "")
    free = int(found) * 1024 if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = next(iter(_lines(LIMIT)), "")
    return min(free, int(limit)) if limit.isdecimal() else free


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError:
        return []
