"""How engines are set up from the settings: the one place where `EngineOptions` are made.

Knows no plan: cache, precision and merged weights are put in by order.py.
"""

from urllib.parse import urlsplit

from chatroom.engines.base import EngineOptions
from chatroom.roles import Role
from chatroom.settings import Settings

REMOTE = "openai_api"
"""The engine that asks the server of the settings where a role names none."""


def engine_options(settings: Settings, role: Role) -> EngineOptions:
    """What a role's engine is set up with; roles with the same share one."""
    base = role.weights or role.base
    return base_options(settings, base, engine=role.engine, address=role.address, served=role.served)


def base_options(
    settings: Settings, base: str, *, engine: str = "", address: str = "", served: str = ""
) -> EngineOptions:
    """What an engine over a base is set up with, in 16 bit, its cache left to it.

    Args:
        engine: The plug-in that answers; "" is that of the settings.
        address: Of a server that runs already; "" takes that of the settings where the engine asks one.
        served: The model's name there.
    """
    address = address or (settings.remote if (engine or settings.engine) == REMOTE else "")
    return EngineOptions(
        base=base,
        context=settings.context,
        memory=settings.memory,
        threads=settings.threads,
        dtype=settings.dtype,
        device=settings.device,
        address=address,
        served=served,
        key=settings.remote_key if address and _same_server(address, settings.remote) else "",
        command=settings.lmdeploy,
        flags=settings.lmdeploy_flags,
        logs=str(settings.home / "engines"),
    )


def _same_server(one: str, other: str) -> bool:
    """Whether two addresses are of one server: nobody else is sent its key."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]
