"""Room files: reading, checking, and changing them without losing what the user wrote."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom.errors import FolderError
from chatroom.rooms import add_role, check_room, find_rooms, read_room, write_room

ROLES, POLICIES = ["mara", "tobin"], ["director", "lively", "round_robin"]


def room(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rooms" / "inn.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def test_a_room_is_what_its_file_says(tmp_path: Path) -> None:
    text = 'name = "The Inn"\npremise = "Rain."\nroles = ["mara"]\nturns = "lively"\nabsence = "unheard"'
    found = read_room(room(tmp_path, text))
    assert (found.id, found.name, found.premise, found.roles) == ("inn", "The Inn", "Rain.", ("mara",))
    assert (found.turns, found.absence, found.turns_without_person) == ("lively", "unheard", None)
    assert find_rooms(tmp_path / "rooms") == ["inn"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('roles = ["marra"]', ["roles", "'marra'", "did you mean 'mara'"]),
        ('turns = "livley"', ["turns", "did you mean 'lively'"]),
        ('roles = ["mara", "mara"]', ["sits there twice"]),
        ('roles = ["../mara"]', ["no id of a role"]),
        ('premis = "x"', ["premis", "did you mean 'premise'"]),
        ('absence = "deaf"', ["absence"]),
        ("turns_without_person = 0", ["turns_without_person"]),
        ('sources = ["../roles"]', ["sources", "is not a path inside", "beside this file"]),
        ('sources = ["lore"]', ["sources", "no folder 'lore'"]),
        ('documents = ["lore"]', ["documents", "can't be set"]),
        ('id = "x"', ["id", "rename"]),
        ("roles = [", ["TOML"]),
    ],
)
def test_a_fault_names_key_and_remedy(tmp_path: Path, text: str, said: list[str]) -> None:
    found = " ".join(map(str, check_room(room(tmp_path, text), roles=ROLES, policies=POLICIES)))
    assert "rooms/inn.toml" in found
    assert [word for word in said if word not in found] == []


def test_documents_lie_beside_the_room(tmp_path: Path) -> None:
    path = room(tmp_path, 'sources = ["inn/wiki"]')
    (path.parent / "inn" / "wiki").mkdir(parents=True)
    assert read_room(path).documents == (path.parent / "inn" / "wiki",)


def test_an_unknown_role_still_lets_read(tmp_path: Path) -> None:
    assert read_room(room(tmp_path, 'roles = ["gone", "mara"]')).roles == ("gone", "mara")


def test_a_written_room_reads_back(tmp_path: Path) -> None:
    premise = 'Rain.\n"Who\x7f is there?" \\ 夜'
    path = write_room(tmp_path / "rooms", "inn", ["mara"], name="The Inn", premise=premise, turns="lively")
    found = read_room(path)
    assert (found.name, found.premise, found.roles, found.turns) == ("The Inn", premise, ("mara",), "lively")
    assert check_room(path, roles=ROLES, policies=POLICIES) == []


def test_a_room_is_never_overwritten(tmp_path: Path) -> None:
    path = room(tmp_path, 'name = "Mine"')
    with pytest.raises(FolderError, match="such a room already"):
        write_room(tmp_path / "rooms", "inn", ["mara"])
    assert path.read_text() == 'name = "Mine"'


@pytest.mark.parametrize("id_", ["Inn", "../inn", "", "a b", "."])
def test_a_room_needs_a_plain_id(tmp_path: Path, id_: str) -> None:
    with pytest.raises(FolderError, match="can't be called"):
        write_room(tmp_path, id_, ["mara"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '# mine\nroles = ["mara"] # two\nturns="lively"\n',
            '# mine\nroles = ["mara", "tobin"] # two\nturns="lively"\n',
        ),
        ("roles = []\r\n", 'roles = ["tobin"]\r\n'),
        ("roles = ['mara',]", "roles = ['mara', \"tobin\"]"),
        ('roles = [\n    "mara",  # keeper\n]\n', 'roles = [\n    "mara",  # keeper\n    "tobin",\n]\n'),
        ('roles = [\n  "mara" # a, b\n]\n', 'roles = [\n  "mara", # a, b\n    "tobin",\n]\n'),
        ('name = "x"\n', 'roles = ["tobin"]\nname = "x"\n'),
    ],
)
def test_seating_keeps_what_was_written(tmp_path: Path, before: str, after: str) -> None:
    path = room(tmp_path, before)
    assert add_role(path, "tobin") is True
    assert path.read_bytes().decode() == after
    assert add_role(path, "tobin") is False


@pytest.mark.parametrize("text", ['"roles" = ["mara"]\n', "premise = '''\nroles = []\n'''\n'roles' = []\n"])
def test_a_strange_list_is_left_alone(tmp_path: Path, text: str) -> None:
    path = room(tmp_path, text)
    with pytest.raises(FolderError, match="by hand"):
        add_role(path, "tobin")
    assert path.read_text() == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_file_reads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "inn.toml"
    path.write_bytes(text.encode())
    assert all(isinstance(fault, FolderError) for fault in check_room(path, roles=ROLES, policies=POLICIES))
