"""Role packages: what is packed comes out as it was, and whatever is wrong with one leaves nothing behind."""

import io
import json
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cards.package import write_package
from chatroom.errors import FolderError
from chatroom.roles import read_role
from tests.cards.conftest import Launch
from tests.cards.samples import ROLE_FILES, manifest_of, package_file, zip_file
from tests.folders import make_adapter, make_base, make_role
from tests.workshop.limits import as_nobody, open_folder

TOML = 'name = "Mara Vell"\n[model]\nadapter = "adapter"\n[knowledge]\nsources = ["wiki"]\n'


def make_rich_role(world: Path) -> Path:
    """A role with an adapter, pages, and things that stay at home."""
    folder = make_role(world / "roles/mara", TOML)
    make_adapter(folder / "adapter")
    for name in ("wiki/lens.md", ".hidden", "adapter/old.pt", ".cache/x"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("The Eye is the great lens.\n")
    return folder


def nothing_new(world: Path) -> bool:
    left = [path.name for path in world.iterdir() if path.name.startswith(".")]
    return left == [] == [*(world / "roles").iterdir()]


def test_a_package_brings_the_role_along(world: Path, launch: Launch) -> None:
    folder = make_rich_role(world)
    done = launch("role", "export", "mara", "--as", "package")
    assert (done.status, "adapter/old.pt" in done.out) == (0, True), done.err
    folder.rename(world / "before")
    done = launch("role", "import", "mara.chatroom.zip")
    assert done.status == 0, done.err
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "persona.md",
        "role.toml",
        "wiki/lens.md",
    ]
    assert all((folder / name).read_bytes() == (world / "before" / name).read_bytes() for name in names)
    assert read_role(folder, world / "models").adapter is not None


def test_an_empty_wiki_travels_along(world: Path, launch: Launch) -> None:
    folder = make_role(world / "roles/mara", 'name = "Mara Vell"\n[knowledge]\nsources = ["wiki"]\n')
    (folder / "wiki").mkdir()
    assert launch("role", "export", "mara", "--as", "package").status == 0
    folder.rename(world / "before")
    done = launch("role", "import", "mara.chatroom.zip")
    assert done.status == 0, done.err
    assert (folder / "wiki").is_dir()


def test_a_manifest_names_base_and_files(world: Path, launch: Launch) -> None:
    make_rich_role(world)
    launch("role", "export", "mara", "--as", "package")
    with zipfile.ZipFile(world / "mara.chatroom.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert {file["path"] for file in manifest["files"]} == {*archive.namelist()} - {"manifest.json"}
    assert (manifest["format"], manifest["version"], manifest["id"]) == ("chatroom-role", 1, "mara")
    assert (manifest["base"], len(manifest["base_sha256"])) == ("hearth", 64)


def test_the_same_role_gives_the_same_package(world: Path, launch: Launch) -> None:
    make_rich_role(world)
    for name in ("one.zip", "two.zip"):
        assert launch("role", "export", "mara", "--as", "package", "--out", name).status == 0
    assert (world / "one.zip").read_bytes() == (world / "two.zip").read_bytes()


def test_a_package_may_get_another_id(world: Path, launch: Launch) -> None:
    assert launch("role", "import", package_file(world / "m.zip"), "--id", "other").status == 0
    assert [path.name for path in (world / "roles").iterdir()] == ["other"]


def test_a_link_in_a_role_is_not_packed(world: Path, launch: Launch) -> None:
    (make_rich_role(world) / "wiki/out.md").symlink_to("lens.md")
    done = launch("role", "export", "mara", "--as", "package")
    assert (done.status, "wiki/out.md" in done.err) == (1, True)
    assert not (world / "mara.chatroom.zip").exists()


HOSTILE = {
    "role/../../evil": "leads out",
    "/role/evil": "leads out",
    "role/./x": "leads out",
    "role//x": "leads out",
    "..": "leads out",
    "C:/x": "colon",
    "role\\x": "backslash",
    "role/a\x01b": "invisible",
    "role/a\u202eb": "invisible",
    "role/CON.txt": "some systems",
    "role/x. ": "some systems",
    "role/Persona.md": "by case only",
    "role/persona.md/x": "both a file and a folder",
    "role/" + "x" * 400: "too long",
    "role/" + "a/" * 30 + "x": "too deep",
    "role/w.bin": "run code",
    "role/adapter/W.PKL": "run code",
    "role/.ssh/x": "hidden",
    "evil.txt": "does not lie in role/",
}


@pytest.mark.parametrize(("name", "told"), HOSTILE.items(), ids=[str(at) for at in range(len(HOSTILE))])
def test_a_hostile_name_is_refused(world: Path, launch: Launch, name: str, told: str) -> None:
    done = launch("role", "import", package_file(world / "m.zip", {**ROLE_FILES, name: b"x"}))
    assert (done.status, told in done.err) == (1, True), done.err
    assert nothing_new(world)
    assert not (world.parent / "evil").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "other"}, "no chatroom-role"),
        ({"version": 2}, "version 2"),
        ({"version": "1"}, "can't be read"),
        ({"id": "../x"}, "can't be the id"),
        ({"files": []}, "not in its manifest"),
        ({"files": [{"path": "role/role.toml", "size": 1, "sha256": "x"}]}, "can't be read"),
        ({"files": 1e400}, "can't be read"),
        ({"folders": ["role/.hidden/"]}, "hidden"),
        ({"folders": ["evil/"]}, "does not lie in role/"),
        ({"folders": ["role/../../evil/"]}, "'role/../../evil/'"),
    ],
)
def test_a_wrong_manifest_is_refused(world: Path, launch: Launch, changes: Any, told: str) -> None:
    done = launch("role", "import", package_file(world / "m.zip", **changes))
    assert (done.status, told in done.err) == (1, True), done.err
    assert nothing_new(world)


def test_a_changed_file_is_refused(world: Path, launch: Launch) -> None:
    changed = {**ROLE_FILES, "role/persona.md": b"Keeps the dark!.\n"[:17]}
    done = launch("role", "import", zip_file(world / "m.zip", {**changed, "manifest.json": manifest_of(ROLE_FILES)}))
    assert (done.status, "role/persona.md" in done.err, "not what was packed" in done.err) == (1, True, True)
    assert nothing_new(world)


def test_a_missing_file_is_refused(world: Path, launch: Launch) -> None:
    fewer = {name: data for name, data in ROLE_FILES.items() if "persona" not in name}
    done = launch("role", "import", zip_file(world / "m.zip", {**fewer, "manifest.json": manifest_of(ROLE_FILES)}))
    assert (done.status, "it is missing" in done.err) == (1, True), done.err


def test_a_name_twice_is_refused(world: Path, launch: Launch) -> None:
    path = package_file(world / "m.zip")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("role/persona.md", "another")
    done = launch("role", "import", path)
    assert (done.status, "two of this name" in done.err) == (1, True)


def test_a_link_in_a_package_is_refused(world: Path, launch: Launch) -> None:
    link = zipfile.ZipInfo("role/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = package_file(world / "m.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    done = launch("role", "import", path)
    assert (done.status, "it is a link" in done.err) == (1, True)
    assert nothing_new(world)


def test_an_encrypted_entry_is_refused(world: Path, launch: Launch) -> None:
    path = package_file(world / "m.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    done = launch("role", "import", path)
    assert (done.status, "encrypted" in done.err) == (1, True)


def test_a_bomb_is_refused_before_it_unpacks(world: Path, launch: Launch) -> None:
    path = package_file(world / "m.zip", {**ROLE_FILES, "role/wiki/zeros.txt": bytes(30_000_000)})
    done = launch("role", "import", path)
    assert (done.status, "200 times its size" in done.err) == (1, True), done.err
    assert nothing_new(world)


def test_a_false_size_is_refused(world: Path, launch: Launch) -> None:
    """The table of contents says that a file is shorter than what comes out of it."""
    path = package_file(world / "m.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 3)
    path.write_bytes(data)
    done = launch("role", "import", path)
    assert done.status == 1
    assert nothing_new(world)


def test_too_many_entries_are_refused(world: Path, launch: Launch) -> None:
    path = zip_file(world / "m.zip", {f"role/{number}": b"" for number in range(20_001)} | {"manifest.json": b"{}"})
    done = launch("role", "import", path)
    assert (done.status, "more than 20,000 entries" in done.err) == (1, True), done.err


@pytest.mark.parametrize("size", [0xFFFFFFF0, 0xFFFFFFFF])
def test_an_endless_table_is_not_read(world: Path, launch: Launch, size: int) -> None:
    path = package_file(world / "m.zip")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\5\6")
    data[at + 12 : at + 16] = struct.pack("<I", size)
    path.write_bytes(data)
    assert launch("role", "import", path).status == 1


@pytest.mark.parametrize("part", range(1, 12))
def test_a_cut_package_is_refused(world: Path, launch: Launch, part: int) -> None:
    data = package_file(world / "whole.zip").read_bytes()
    (world / "cut.zip").write_bytes(data[: len(data) * part // 12])
    done = launch("role", "import", "cut.zip")
    assert (done.status, "cut.zip" in done.err) == (1, True)
    assert nothing_new(world)


def test_a_flipped_byte_never_passes(world: Path, launch: Launch) -> None:
    data = package_file(world / "whole.zip").read_bytes()
    for at in range(0, len(data), 41):
        (world / "bad.zip").write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        done = launch("role", "import", "bad.zip", "--id", f"r{at}")
        if done.status == 0:  # a date or a flag that says nothing: every byte of the role is as it was
            folder = world / "roles" / f"r{at}"
            made = {f"role/{path.name}": path.read_bytes() for path in folder.iterdir()}
            assert made == ROLE_FILES
            folder.rename(world / "home" / folder.name)
        assert nothing_new(world)


def test_a_base_that_is_missing_is_told(world: Path, launch: Launch) -> None:
    files = {**ROLE_FILES, "role/role.toml": b'name = "Mara"\n[model]\nbase = "models/none"\n'}
    done = launch("role", "import", package_file(world / "m.zip", files))
    assert (done.status, "none" in done.err) == (1, True)
    assert nothing_new(world)


@pytest.mark.parametrize("name", ["wiki", "wiki/lens.md"])
def test_what_cannot_be_read_is_refused(name: str) -> None:
    with open_folder() as world:
        make_base(world / "models/hearth")
        folder = make_rich_role(world)
        role = read_role(folder, world / "models")
        (folder / name).chmod(0)
        with as_nobody(), pytest.raises(FolderError, match=rf"^roles/mara/{name}: it can't be read: Permission denied"):
            write_package(io.BytesIO(), role)
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("kind", ["png", "charx", "json"])
def test_a_card_leaves_the_adapter_behind(world: Path, launch: Launch, kind: str) -> None:
    make_rich_role(world)
    done = launch("role", "export", "mara", "--as", kind)
    assert "note: left behind: its adapter, which only a package carries (--as package)" in done.out
    assert "behind" not in launch("role", "export", "mara", "--as", "package").out
