"""Which of LMDeploy's two engines a server is started with, and what that one can't load. Knows no process."""

from collections.abc import Callable

import msgspec

from chatroom.engines._lmdeploy.base_config import Config

Check = Callable[[Config, str, bool], None]
"""Refuses, with an EngineError, a base by its config and its name; the last says whether it must be int4."""


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One of LMDeploy's engines.

    Args:
        flag: What `--backend` is told.
        title: What people call it.
        check: Says what it can't load, before it is started.
    """

    flag: str
    title: str
    check: Check
