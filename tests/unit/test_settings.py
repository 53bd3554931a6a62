"""Settings: which source wins, what is refused, and what is never shown."""

from pathlib import Path

import pytest

from chatroom.errors import SettingsError
from chatroom.settings import Settings, load_settings, parse_size


def load(tmp_path: Path, toml: str = "", flags: dict[str, object | None] | None = None, **environ: str) -> Settings:
    if toml:
        (tmp_path / "chatroom.toml").write_text(toml, encoding="utf-8")
    return load_settings(flags, environ=environ, directory=tmp_path)


def test_defaults_hold_where_nothing_is_set(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.host, settings.port, settings.history) == ("127.0.0.1", 8765, "sqlite")
    assert (settings.home.name, settings.sources) == ("var", {})


def test_a_later_source_beats_an_earlier(tmp_path: Path) -> None:
    toml = 'port = 1\ntoken = "toml"\nthreads = 3\n'
    flags = {"port": "3", "token": None}
    settings = load(tmp_path, toml, flags, CHATROOM_PORT="2", CHATROOM_TOKEN="env", CHATROOM_HOST="")
    assert (settings.port, settings.token, settings.threads, settings.host) == (3, "env", 3, "127.0.0.1")
    file = str(tmp_path / "chatroom.toml")
    assert settings.sources == {"port": "flag", "token": "environment", "threads": file}


def test_home_is_searched_for_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "chatroom.toml").write_text('rooms = "tables"\n')
    settings = load(tmp_path, CHATROOM_HOME="house")
    assert (settings.home, settings.rooms) == (tmp_path / "house", tmp_path / "house" / "tables")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("prot = 1", ["chatroom.toml", "prot", "did you mean 'port'"]),
        ("port = 70000", ["chatroom.toml", "port", "65535"]),
        ('port = "8765"', ["chatroom.toml", "port", "whole number"]),
        ("turn_seconds = nan", ["turn_seconds", "not a number"]),
        ('memory = "much"', ["memory", "1GiB"]),
        ('home = ""', ["home", "a path"]),
        ('history = "../x"', ["history"]),
        ("sources = {}", ["sources", "unknown setting"]),
        ("port = ", ["chatroom.toml", "TOML"]),
        (f"x = {'[' * 5000}", ["chatroom.toml", "deeply"]),
    ],
)
def test_a_fault_names_file_and_key(tmp_path: Path, toml: str, said: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, toml)
    assert [word for word in said if word not in str(error.value)] == []


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CHATROOM_TOKN.*did you mean 'token'"):
        load(tmp_path, CHATROOM_TOKN="secret-word")


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, CHATROOM_TOKEN="secret-word")
    assert settings.token == "secret-word"
    assert "secret-word" not in f"{settings!r} {settings}"
    with pytest.raises(SettingsError) as error:
        load(tmp_path, CHATROOM_TOKEN="secret-word" * 100)
    assert "secret-word" not in str(error.value)


@pytest.mark.parametrize(("text", "size"), [("1GiB", 1 << 30), ("1.5 kib", 1536), ("2MB", 2_000_000), ("7", 7), (5, 5)])
def test_a_size_is_written_in_units(text: object, size: int) -> None:
    assert parse_size(text) == size


def test_origins_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load(tmp_path, CHATROOM_ORIGINS="https://a.example, https://b.example,")
    assert settings.origins == ("https://a.example", "https://b.example")
