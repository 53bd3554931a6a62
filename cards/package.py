"""A role package, `ROLE.chatroom.zip`: a role folder with what it speaks with and knows, and a list of what is in it.

Beside the files below `role/` stands `manifest.json` with the size and sha256 of each. A package is checked to its last
byte before anything of it is written. Nothing hidden travels, no link, and no file that could run code when loaded.
"""

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta

from cards.zips import BLOCK, Archive, Limits, holds, opened
from chatroom import __version__
from chatroom.errors import FolderError
from chatroom.role_files import MOST_ENTRIES, Faults, Folder
from chatroom.roles import ROLE_ID, Role
from chatroom.weights import PICKLES, digest, read_provenance
from knowledge.errors import UnreadableError

__all__ = ["SUFFIX", "Manifest", "checked", "is_package", "unpack", "write_package"]

SUFFIX = ".chatroom.zip"
MANIFEST, INSIDE = "manifest.json", "role/"
FORMAT, VERSION = "chatroom-role", 1
LIMITS = Limits(entries=MOST_ENTRIES, total=64 << 30)
_LARGEST_MANIFEST = 16_000_000
_SPARE = 64 << 20
"""Bytes of the disk that an import leaves free."""
_PACKED_ALREADY = (".safetensors", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp3", ".ogg", ".mp4")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_ANEW = "export the role anew, or get the package from somebody you trust"


class PackedFile(msgspec.Struct, frozen=True, kw_only=True):
    path: Annotated[str, Meta(min_length=1, max_length=300)]
    size: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """manifest.json.

    Args:
        id: Of the role, where it was made.
        base: The model under it, as its role.toml names it.
        base_sha256: Of the weights of this base, or "".
        folders: Those with nothing in them, as a wiki that is not begun, which role.toml may name all the same.
    """

    format: str
    version: int
    id: str
    made_by: str = ""
    base: str = ""
    base_sha256: str = ""
    files: Annotated[tuple[PackedFile, ...], Meta(max_length=MOST_ENTRIES)]
    folders: Annotated[tuple[str, ...], Meta(max_length=MOST_ENTRIES)] = ()


# --- out -------------------------------------------------------------------------------------------------------------


def write_package(stream: IO[bytes], role: Role) -> list[str]:
    """Writes the package of a role.

    Returns:
        What was left out, for people.

    Raises:
        FolderError: There is something in its folder that can't travel.
    """
    files, left_out = _files(role)
    with zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
        packed = tuple(
            _add(archive, path, f"{INSIDE}{name}", role) for name, path in files.items() if not path.is_dir()
        )
        folders = tuple(_add_folder(archive, f"{INSIDE}{name}/") for name, path in files.items() if path.is_dir())
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            id=role.id,
            made_by=f"chatroom {__version__}",
            base=_base_name(role),
            base_sha256=_base_digest(role),
            files=packed,
            folders=folders,
        )
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        archive.writestr(zipfile.ZipInfo(MANIFEST, _LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return left_out


def _files(role: Role) -> tuple[dict[str, Path], list[str]]:
    """The files and empty folders of a role folder by their names, and what is told of those that stay at home."""
    found: dict[str, Path] = {}
    left_out: list[str] = []
    for path in _walk(role.folder, role.id):
        name = path.relative_to(role.folder).as_posix()
        if path.name.lower().endswith(PICKLES):
            left_out.append(f"left out: {name}, which could run code when it is loaded")
        else:
            found[name] = path
    return found, left_out


def _walk(folder: Path, id: str) -> Iterator[Path]:
    """Regular files and empty folders, in order; hidden ones stay at home."""
    with _told_of(folder, id):
        for here, folders, files in os.walk(folder, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            shown = sorted(name for name in (*folders, *files) if not name.startswith("."))
            if not shown and here != str(folder):
                yield Path(here)
            for name in shown:
                path = Path(here, name)
                mode = path.lstat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    label = _label(path, folder, id)
                    raise FolderError(label, "it is a link or no plain file", "put the file itself there")
                if stat.S_ISREG(mode):
                    yield path


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _told_of(folder: Path, id: str) -> Iterator[None]:
    """What can't be read in a role folder is told by its name there."""
    try:
        yield
    except OSError as error:
        label = _label(Path(error.filename), folder, id) if error.filename else f"roles/{id}"
        raise FolderError(label, f"it can't be read: {error.strerror}", "check its permissions") from None


def _label(path: Path, folder: Path, id: str) -> str:
    inside = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    return f"roles/{id}/{inside}"


def _add(archive: zipfile.ZipFile, path: Path, name: str, role: Role) -> PackedFile:
    hasher, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, _LONG_AGO)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    packed = path.name.lower().endswith(_PACKED_ALREADY)
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    with _told_of(role.folder, role.id):
        source = path.open("rb")
    with source, archive.open(info, "w", force_zip64=True) as target:
        while block := source.read(BLOCK):
            hasher.update(block)
            size += len(block)
            target.write(block)
    return PackedFile(path=name, size=size, sha256=hasher.hexdigest())


def _add_folder(archive: zipfile.ZipFile, name: str) -> str:
    info = zipfile.ZipInfo(name, _LONG_AGO)
    info.external_attr = (stat.S_IFDIR | 0o755) << 16
    archive.writestr(info, b"")
    return name


def _base_name(role: Role) -> str:
    """A base as others know it: its folder's name, or its id at a hub."""
    return Path(role.base).name if role.base.startswith("/") else role.base


def _base_digest(role: Role) -> str:
    """By the stamp of the adapter, else of the weights themselves."""
    with Faults().kept():
        if role.adapter and (made := read_provenance(Folder.at(Path(role.adapter.path)))).base:
            return made.base
        if role.base.startswith("/"):
            return digest(Folder.at(Path(role.base)))
    return ""


# --- in --------------------------------------------------------------------------------------------------------------


def is_package(path: Path) -> bool:
    """Whether a file is an archive with a manifest of ours.

    Raises:
        UnreadableError: It can't be read, or is a damaged archive.
    """
    return holds(path, MANIFEST)


def checked(path: Path) -> Manifest:
    """Reads a whole package and holds every byte of it against its manifest; nothing is written.

    Raises:
        UnreadableError: There is something in it that must not be, or not as it was packed.
    """
    with opened(path, LIMITS) as archive:
        manifest = _manifest(archive, path.name)
        listed = _listed(archive, manifest)
        for name, file in listed.items():
            hasher = hashlib.sha256()
            for block in archive.blocks(name):
                hasher.update(block)
            if hasher.hexdigest() != file.sha256:
                raise archive.fault(name, "it is not what was packed")
        return manifest


def unpack(path: Path, manifest: Manifest, folder: Path) -> None:
    """Writes the files of a package that was checked into a folder, and checks them once more on the way.

    Raises:
        UnreadableError: The package has changed since it was checked.
        FolderError: They can't be written.
    """
    label = f"roles/{folder.name}"
    _check_space(manifest, folder, label)
    with opened(path, LIMITS) as archive:
        listed = _listed(archive, manifest)
        _make_folders(manifest, folder, label)
        for name, file in listed.items():
            hasher = hashlib.sha256()
            target = folder / name.removeprefix(INSIDE)
            try:
                _write(archive, name, target, hasher)
            except OSError as error:
                problem = f"it can't be written: {error.strerror}"
                raise FolderError(label, problem, "check the disk and permissions") from None
            if hasher.hexdigest() != file.sha256:
                raise archive.fault(name, "it is not what was packed")


def _make_folders(manifest: Manifest, folder: Path, label: str) -> None:
    """Makes the empty folders; their names were looked at with the archive's."""
    try:
        for name in manifest.folders:
            (folder / name.removeprefix(INSIDE)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"a folder can't be made: {error.strerror}"
        raise FolderError(label, problem, "check the disk and permissions") from None


def _write(archive: Archive, name: str, target: Path, hasher: "hashlib._Hash") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        for block in archive.blocks(name):
            hasher.update(block)
            stream.write(block)


def _manifest(archive: Archive, label: str) -> Manifest:
    if MANIFEST not in archive.sizes:
        raise UnreadableError(label, f"it has no {MANIFEST}, so it is no role package")
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST, _LARGEST_MANIFEST), type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problem = str(error).replace("`", "") if isinstance(error, msgspec.DecodeError) else "it is no JSON"
        raise archive.fault(MANIFEST, f"it can't be read: {problem}", _ANEW) from None
    if manifest.format != FORMAT:
        raise archive.fault(MANIFEST, f"this is a {manifest.format[:40]!r} and no {FORMAT}", _ANEW)
    if manifest.version != VERSION:
        problem = f"it is of version {manifest.version}, and this program reads version {VERSION}"
        raise archive.fault(MANIFEST, problem, "use the program of that version")
    if not ROLE_ID.fullmatch(manifest.id):
        raise archive.fault(MANIFEST, f"{manifest.id[:40]!r} can't be the id of a role", _ANEW)
    return manifest


def _listed(archive: Archive, manifest: Manifest) -> dict[str, PackedFile]:
    """The files of the manifest by name: exactly those that are in the archive."""
    listed = {file.path: file for file in manifest.files}
    if len(listed) != len(manifest.files):
        raise archive.fault(MANIFEST, "it names a file twice", _ANEW)
    for name in sorted(archive.sizes.keys() - {MANIFEST} ^ listed.keys()):
        problem = "it is in the archive and not in its manifest"
        raise archive.fault(name, "it is missing, although the manifest names it" if name in listed else problem)
    for name in manifest.folders:
        if problem := _place_problem(name) or ("" if name in archive.folders else "it is missing"):
            raise archive.fault(name, problem)
    for name, file in listed.items():
        if problem := _problem(name, file.size, archive.sizes[name]):
            raise archive.fault(name, problem)
    return listed


def _place_problem(name: str) -> str:
    if not name.startswith(INSIDE):
        return f"it does not lie in {INSIDE}"
    return "it is hidden" if any(part.startswith(".") for part in name.split("/")) else ""


def _problem(name: str, size: int, real: int) -> str:
    if problem := _place_problem(name):
        return problem
    if name.lower().endswith(PICKLES):
        return "it could run code when it is loaded"
    return "" if size == real else f"it has {real:,} bytes and not the {size:,} of the manifest"


def _check_space(manifest: Manifest, folder: Path, label: str) -> None:
    needed, free = sum(file.size for file in manifest.files), shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise FolderError(label, f"it needs {needed:,} bytes, and {free:,} are free", "make room on the disk")
