"""TurboMind's share for a KV cache of so many bytes. Pure; the plan and the engine must mean the same by it."""

CUDA_CONTEXT = 512 << 20
"""Estimate: what a process takes on a GPU before it loads anything, in bytes."""
STEPS = 1_000_000
"""A share is rounded down to millionths."""


def cache_share(cache: int, free: int, weights: int) -> float:
    """What `--cache-max-entry-count` must be.

    It is a share of what is free once the weights are loaded; what a reply is computed in is not yet taken then, so it
    is not subtracted, and the share rather gives too little than too much.

    Args:
        cache: Bytes wanted for keys and values.
        free: Bytes that are free now, before the engine starts.
        weights: Bytes of its weights.
    """
    left = free - weights - CUDA_CONTEXT
    if cache <= 0 or left <= 0:
        return 0.0
    return min(cache * STEPS // left, STEPS - 1) / STEPS
