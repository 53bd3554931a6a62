"""WHAT A ROLE KNOWS IT FROM: one format per file. A module added here is a format added to the project.

`base.py` is the contract. `names` imports nothing; `load` imports exactly one.
"""

import pkgutil
from importlib import import_module
from typing import cast

from knowledge.sources.base import Source


def names() -> list[str]:
    """Names of the formats, without importing any."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name != "base" and not name.startswith("_"))


def load(name: str) -> Source:
    """Imports one format."""
    assert name in names()
    return cast(Source, import_module(f"{__name__}.{name}"))
