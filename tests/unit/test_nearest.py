"""The remedy for a name that does not exist: near in any case, and quick and short whatever it is."""

from chatroom.toml_table import LONGEST_COMPARED, MOST_LISTED, nearest


def test_case_does_not_count() -> None:
    assert nearest("MARA", ["mara", "tobin"]) == "did you mean 'mara'?"
    assert nearest("saltmere", ["Inn", "SALTMERE"]) == "did you mean 'SALTMERE'?"


def test_strangers_are_told_what_there_is() -> None:
    assert nearest("zzz", ["mara", "Ann"]) == "known here: Ann, mara"
    assert nearest("zzz", []) == "known here: none"


def test_endless_names_are_not_compared() -> None:
    assert nearest("a" * 1_000_000, ["a" * (LONGEST_COMPARED + 1), "b" * 1_000_000]).startswith("known here: ")
    assert "did you mean" in nearest("ab" * 50, [f"{'ba' * 45}{at}" for at in range(100_000)])


def test_a_long_list_is_cut() -> None:
    told = nearest("zzz", [f"role-{at:05}" for at in range(1_000)])
    assert told.endswith(f"and {1_000 - MOST_LISTED} more")
    assert len(told) < 1_000
