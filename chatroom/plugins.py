"""The only door to plug-ins: a kind is a package, a plug-in is one module in it.

`names` imports nothing; `load` imports exactly one. A file added to the folder is a plug-in added to the project:
there is no list to edit. `base.py` is the contract of its kind and never a plug-in.
"""

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from chatroom.errors import PluginError


def names(kind: str) -> list[str]:
    """Names the plug-ins of a kind such as `chatroom.turns`, without importing any."""
    spec = find_spec(kind)
    folders = spec.submodule_search_locations if spec else None
    found = (module.name for module in pkgutil.iter_modules(folders))
    return sorted(name for name in found if name != "base" and not name.startswith("_"))


def load(kind: str, name: str) -> ModuleType:
    """Imports one plug-in.

    Raises:
        PluginError: There is none of that name; the error lists those that exist.
    """
    existing = names(kind)
    if name not in existing:
        raise PluginError(kind, name, existing)
    return import_module(f"{kind}.{name}")
