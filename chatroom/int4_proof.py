"""The proof beside int4 weights: what the gate found, and from which weights they were made.

`gate.json` lies in the folder of the int4 weights. It counts only while the 16-bit weights are the very ones that were
quantized: their digest is over contents, so a copied or newly checked out folder is still the same. The gate in
quantize/ writes it, the engine pool reads it; this file knows neither, and no model.
"""

from functools import lru_cache
from hashlib import blake2b, file_digest
from pathlib import Path

import msgspec

from chatroom.errors import FolderError
from chatroom.role_files import Folder
from chatroom.weights import INDEX, LARGEST_JSON, TOKENIZERS

PROOF = "gate.json"
FOLDER = "int4"
"""Folder of CHATROOM_HOME with int4 weights that passed: models/NAME of a base, roles/ID of what is a role's alone."""
EMBEDDED = "embedded"
"""Folder in it with proofs of what the embedded engine packs by itself: a gate.json without weights."""
COUNTED = ("config.json", "adapter_config.json", INDEX, *TOKENIZERS)
"""Files beside the safetensors that decide what a model computes."""
REMEDY = "quantize it again: launch.py quantize"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What gate.json says.

    Args:
        passed: Whether the int4 weights may be used.
        method: How an engine must read them: `compressed-tensors`, `awq`, or `embedded`.
        source: Digest of the 16-bit weights that they were made from.
        made: How they were made, for people.
        figures: What the gate measured, by name.
    """

    passed: bool = False
    method: str = ""
    source: str = ""
    made: str = ""
    figures: dict[str, float] = {}


def place(home: Path, name: str, *, embedded: bool = False) -> Path:
    """Where int4 weights of a name such as `models/hearth` or `roles/mara` lie, with their proof.

    Args:
        embedded: Where the proof for the embedded engine lies, which packs the 16-bit weights itself.
    """
    return home / FOLDER / (EMBEDDED if embedded else "") / name


def source_digest(*folders: Path) -> str:
    """A digest of the weights in these folders, by contents; of base and adapter where one is merged into the other.

    A file is read once for each state of it. Reading is slow for large weights: keep it off the event loop.

    Returns:
        24 hexadecimal digits; "" if a folder has no safetensors or can't be read.
    """
    whole = blake2b(digest_size=12)
    try:
        for folder in folders:
            if not (files := sorted(folder.glob("*.safetensors"))):
                return ""
            for path in (*files, *(folder / name for name in COUNTED if (folder / name).is_file())):
                found = path.stat()
                whole.update(f"{path.name} {_file(path, found.st_mtime_ns, found.st_size)}\n".encode())
    except OSError:
        return ""
    return whole.hexdigest() if folders else ""


def read_proof(folder: Path, label: str) -> Proof | None:
    """The proof in a folder; None if there is none.

    Args:
        label: How a user names the folder.

    Raises:
        FolderError: It can't be read.
    """
    if not (folder / PROOF).is_file():
        return None
    try:
        return msgspec.json.decode(Folder.at(folder, label).read(PROOF, LARGEST_JSON), type=Proof)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problem = f"it can't be read: {str(error).replace('`', '')}"
        raise FolderError(f"{label}/{PROOF}", problem, REMEDY) from None


def proven(folder: Path, label: str, *source: Path) -> str:
    """The method of the int4 weights in a folder if they passed and what they were made from is unchanged; else "".

    Raises:
        FolderError: The proof can't be read.
    """
    proof = read_proof(folder, label)
    if proof is None or not proof.passed or not proof.source:
        return ""
    return proof.method if proof.source == source_digest(*source) else ""


@lru_cache(maxsize=1024)
def _file(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
