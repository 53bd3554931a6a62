"""Writes a dataset as files of other trainers, with a dataset_info.json by which LLaMA-Factory finds them.

The formats are behind `plugins.load`: one module in exports/ adds one.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from chatroom import plugins
from finetune.dataset.exports.base import Entry, Export
from finetune.dataset.files import Dataset
from finetune.dataset.moment import Moment

KIND = "finetune.dataset.exports"
INFO = "dataset_info.json"


def formats() -> list[str]:
    """Names of the formats, without importing any."""
    return plugins.names(KIND)


def write_exports(folder: Path, dataset: Dataset, names: Sequence[str]) -> list[Path]:
    """Writes a dataset in these formats; gives the files.

    Raises:
        PluginError: There is no such format.
    """
    loaded = {name: cast(Export, plugins.load(KIND, name)) for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    written, entries = list[Path](), dict[str, Entry]()
    for name, export in loaded.items():
        for part, moments in (("train", dataset.train), ("held_out", dataset.held_out)):
            path = folder / f"{name}_{part}{export.SUFFIX}"
            _write(path, export, moments)
            written.append(path)
            if export.ENTRY:
                title = f"{dataset.about.role}_{name}_{part}"
                entries[title] = msgspec.structs.replace(export.ENTRY, file_name=path.name)
    if entries:
        (folder / INFO).write_bytes(msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")
        written.append(folder / INFO)
    return written


def _write(path: Path, export: Export, moments: Iterable[Moment]) -> None:
    encoder = msgspec.json.Encoder()
    lines = [encoder.encode(row) for row in export.rows(moments)]
    if export.SUFFIX == ".jsonl":
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    else:
        path.write_bytes(b"[\n" + b",\n".join(lines) + b"\n]\n")
