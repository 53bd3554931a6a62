"""Draws that depend on nothing but what is drawn and a seed: the same material, the same choice, on every machine.

More material changes nothing about what was there before: a scene that was held out stays so. It keeps no state.
"""

from hashlib import blake2b


def digest(*parts: str) -> str:
    """A short name for texts; no two different lists of them share one."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(framed.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def chance(seed: int, *parts: str) -> float:
    """A number from 0 up to 1 that belongs to these texts."""
    return int(digest(str(seed), *parts), 16) / (1 << 96)
