"""What can be set, and where it came from: defaults < chatroom.toml < CHATROOM_* < flags.

chatroom.toml is looked for in the working directory, then in CHATROOM_HOME. Every field of `Settings` is a key there,
`CHATROOM_` with its name in capitals is its environment variable. An unknown key is an error that names the nearest
one. It knows no room and no engine, and a token is never shown.
"""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chatroom.errors import SettingsError
from chatroom.toml_table import convert, names_of, nearest, parse_toml

CHECKOUT = Path(__file__).resolve().parent.parent
"""The folder of launch.py: what is bundled lies here."""
FILE = "chatroom.toml"
PREFIX = "CHATROOM_"

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    home: Path = CHECKOUT / "var"
    """Folder for what is written: the database, the server's log and socket."""
    roles: Path = CHECKOUT / "roles"
    """Folder of the role folders."""
    rooms: Path = CHECKOUT / "rooms"
    """Folder of the room files."""
    models: Path = CHECKOUT / "models"
    """Folder of the bases that `models/NAME` in a role.toml means."""
    room: Annotated[str, Meta(max_length=64)] = "saltmere"
    """Id of the room that is meant where none is named; the first one if it does not exist."""
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    """Address that the server listens on; beyond this machine only with a token."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8765
    """Port that the server listens on; 0 takes any free one."""
    token: Annotated[str, Meta(max_length=256)] = ""
    """What a client must show to be let in; empty lets in everybody who reaches the server."""
    origins: tuple[str, ...] = ()
    """Web origins that may connect from a browser, besides the server's own; separated by commas in the environment."""
    history: Name = "sqlite"
    """Where the room log lives: a plug-in of chatroom/history."""
    engine: Name = "transformers_peft"
    """Who answers for roles that name no engine: a plug-in of chatroom/engines."""
    embedder: Annotated[str, Meta(min_length=1, max_length=300)] = "minilm"
    """What turns text into vectors, for searches by meaning: `minilm` is bundled and reads English; a folder or a hub
    id, such as `BAAI/bge-small-zh-v1.5` for Chinese; `none` searches by words only."""
    reranker: Annotated[str, Meta(max_length=300)] = ""
    """A folder or hub id of a cross-encoder that puts what was found into a better order; empty goes without."""
    turn_seconds: Seconds = 120
    """Longest time a turn may take; what was said by then is kept."""
    first_token_seconds: Seconds = 60
    """Longest wait for the first piece of a reply."""
    token_gap_seconds: Seconds = 30
    """Longest silence within a reply."""
    turns_without_person: Annotated[int, Meta(ge=1, le=100)] = 4
    """How many turns roles may take on their own before the room falls silent."""
    context: Annotated[int, Meta(ge=256, le=1 << 20)] = 8192
    """Most token ids of a prompt and its reply; the base's own limit if that is smaller."""
    memory: Annotated[int, Meta(ge=1 << 20)] = 1 << 30
    """Most memory for kept transcripts, in bytes or as "1GiB"; the least recently used go first."""
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    """CPU threads of one step of an engine; 0 leaves it to the library."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights in memory."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where an engine computes."""
    remote: Annotated[str, Meta(max_length=300)] = ""
    """Address of an OpenAI-compatible server that the engine openai_api asks, such as "http://127.0.0.1:11434/v1"."""
    remote_key: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,127})?$")] = ""
    """Name of the environment variable with the key of `remote`; the key itself stands in no file."""
    lmdeploy: Annotated[tuple[str, ...], Meta(min_length=1, max_length=32)] = ("lmdeploy",)
    """Command that runs LMDeploy in its own environment, as one string or a list of words."""
    lmdeploy_flags: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """More flags for every LMDeploy engine, after our own; as one string or a list of words."""
    gpu_memory: Annotated[int, Meta(ge=0)] = 0
    """Most GPU memory for all engines together, in bytes or as "24GiB"; 0 takes what the driver says is free."""
    fallback: Annotated[str, Meta(pattern=r"^(models/.{1,200})?$")] = ""
    """Base such as "models/hearth" that speaks, without adapter, for roles whose engine is too large or fails to
    load; empty lets their turns fail."""
    sources: dict[str, str] = {}
    """Key → where its value came from; keys that are not in it have their default. It can't be set."""

    def __repr__(self) -> str:
        shown = {key: getattr(self, key) for key in KEYS if key != "token"}
        return f"Settings({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


KEYS = tuple(key for key in names_of(Settings) if key != "sources")
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_PATHS = tuple(key for key, kind in _TYPES.items() if kind is Path)
_SIZES, _COMMANDS = ("memory", "gpu_memory"), ("lmdeploy", "lmdeploy_flags")


def load_settings(
    flags: Mapping[str, object | None] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
) -> Settings:
    """Reads all sources; a later one wins.

    Args:
        flags: From the command line; None means that it was not given.
        directory: The working directory.

    Raises:
        SettingsError: Naming the source and the key.
    """
    directory = directory or Path.cwd()
    variables = {key: value for key, value in environ.items() if key.startswith(PREFIX) and value}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, folder, table in (
        _file(directory, variables.get(f"{PREFIX}HOME", "")),
        ("environment", directory, {key.removeprefix(PREFIX).lower(): value for key, value in variables.items()}),
        ("flag", directory, {key: value for key, value in (flags or {}).items() if value is not None}),
    ):
        for key, value in table.items():
            values[key] = _value(key, value, source, folder)
            sources[key] = source
    return Settings(**values, sources=sources)


def _file(directory: Path, home: str) -> tuple[str, Path, dict[str, object]]:
    """The first chatroom.toml there is: its name, its folder (paths in it start there) and its table."""
    for folder in (directory, *([directory / home] if home else [])):
        path = folder / FILE
        if not path.is_file():
            continue
        try:
            return str(path), folder, parse_toml(path.read_bytes())
        except OSError as error:
            raise SettingsError(f"{path}: it can't be read: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(f"{path}: {error}") from None
    return FILE, directory, {}


def _value(key: str, value: object, source: str, folder: Path) -> Any:
    place = {"environment": f"{PREFIX}{key.upper()}", "flag": f"--{key}"}.get(source, f"{source}: {key}")
    if key not in KEYS:
        raise SettingsError(f"{place}: unknown setting; {nearest(key, KEYS)}")
    try:
        found = convert(_parsed(key, value), _TYPES[key], strict=source not in ("environment", "flag"))
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None
    return folder / found.expanduser() if key in _PATHS else found


def _parsed(key: str, value: object) -> object:
    """What a string stands for, where a key's value is something else; whatever is no string is left alone."""
    if not isinstance(value, str):
        return value
    if key in _SIZES:
        return parse_size(value)
    if key in _COMMANDS:
        return shlex.split(value)
    if key == "remote":
        return parse_address(value) if value else ""
    if key == "origins":
        return [origin.strip() for origin in value.split(",") if origin.strip()]
    return value


def parse_size(value: object) -> object:
    """Turns "1GiB", "512 MB" or "1000" into bytes; whatever is no string is left alone."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)", value.strip())
    if not found or found[2].lower() not in _UNITS:
        raise ValueError(f"expected a size such as 1GiB, got {value[:40]!r}")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def parse_address(text: str) -> str:
    """Checks the address of a server, and gives it without a slash at its end. Raises ValueError for people."""
    address, expected = text.strip().rstrip("/"), "expected an address such as http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("an address holds no key, name or query; put a key into the variable that remote_key names")
    if not whole or not address.isprintable() or re.search(r"[\s\\]", address):
        raise ValueError(expected)
    return address
