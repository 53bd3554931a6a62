"""A role folder and its workbench → a dataset on disk: what it is made of, how, and what came of it.

Shared by `dataset build` and whatever makes a role in one go. What a dataset is, finetune/dataset/ knows.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from chatroom.errors import FolderError
from chatroom.librarian.asking import Setup
from chatroom.role_lines import FILE as LINES
from chatroom.roles import Role
from chatroom.rooms import find_rooms, read_room
from chatroom.settings import Settings as TableSettings
from chatroom.toml_table import nearest
from commands.base import say, show_table
from finetune.dataset.build import Material, build
from finetune.dataset.files import Dataset, write_dataset
from finetune.dataset.records import records
from finetune.dataset.role import RoleSpec
from finetune.dataset.rows import holds_records, read_rows
from finetune.dataset.settings import Settings
from finetune.dialogue import Record, Scene
from finetune.errors import WorkshopError
from finetune.places import Workbench
from finetune.provenance import file_sha256
from finetune.reading import read_origin
from knowledge.errors import KnowledgeError

MARK = "lines.sha256"
"""Digest of the lines.jsonl that was written last: that one may be replaced."""
FLAGS = ("mode", "window", "characters", "held_out", "recall", "general_ratio", "others", "seed")


def build_dataset(settings: TableSettings, role: Role, bench: Workbench, args: argparse.Namespace) -> Dataset:
    """Builds a role's dataset and writes it to the workbench.

    Raises:
        WorkshopError: Flags or material can't be used.
    """
    material = _material(role, bench, args)
    scrubbed = all(read_origin(Path(source)).scrubbed for source in material.sources)
    how = Settings(**{name: getattr(args, name) for name in FLAGS}, scrubbed=scrubbed)
    spec = spec_of(role, premise=_premise(settings, role, args.room), named=args.named)
    dataset = _built(settings, role, spec, material, how)
    about = write_dataset(bench.dataset, dataset.about, dataset.train, dataset.held_out)
    return dataset._replace(about=about)


def spec_of(role: Role, *, premise: str = "", named: Sequence[str] = ()) -> RoleSpec:
    """A role as its folder says; `named` is what it is called in the material besides."""
    return RoleSpec(
        id=role.id,
        name=role.name,
        also=(*named, *role.aliases),
        persona=role.persona,
        language=role.language,
        premise=premise,
        layout=role.layout or "room",
    )


def show_counts(dataset: Dataset) -> None:
    """Prints what came of the material, and what is worth knowing about it."""
    counts = dataset.about.counts
    show_table([("WHAT", "HOW MANY"), *((name, f"{number:,}") for name, number in counts.items())])
    if counts.get("without an index"):
        say(f"nothing was searched: its index is missing or out of date (knowledge build {dataset.about.role})")
    if not dataset.held_out:
        say("nothing is held out: there is too little to measure by")


def write_preview(folder: Path, role: Role, dataset: Dataset) -> list[Path]:
    """Writes preview.md as the role's base reads it; nothing where the base is not on this machine."""
    if not (Path(role.base) / "tokenizer.json").is_file():
        say(f"no preview: {role.base} is not a folder on this machine")
        return []
    from transformers import AutoTokenizer

    from finetune.dataset.preview import FILE, preview
    from finetune.dataset.render import Renderer

    base = Path(role.base)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    (folder / FILE).write_text(preview(dataset, Renderer.of(base), decode), "utf-8")
    return [folder / FILE]


def write_lines(folder: Path, role: Role, dataset: Dataset, *, insist: bool = False) -> list[Path]:
    """Puts what is learnt into the role's lines.jsonl; what models wrote there stays.

    A file that somebody else wrote, or has changed since, is left alone.

    Args:
        folder: Of the dataset; remembers what was written.
        insist: Replaces any file.

    Raises:
        WorkshopError: The dataset is made of that very file, which would lose what is held out.
    """
    path, mark = role.folder / LINES, folder / MARK
    if path.exists() and any(path.samefile(source) for source in dataset.about.sources):
        if insist:
            raise WorkshopError(str(path), "the dataset is made of it", "leave --lines out")
        return []
    if not insist and path.exists() and path.read_bytes().strip() and not _is_as_written(path, mark):
        say(f"{path} is left as it is; --lines puts there what is learnt now")
        return []
    made = [record for record in _records(path) if record.made_by]
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.Encoder().encode_lines([*records(dataset.train), *made]))
    draft.replace(path)
    mark.write_text(file_sha256([path]) + "\n", "utf-8")
    return [path]


def _is_as_written(path: Path, mark: Path) -> bool:
    return mark.is_file() and mark.read_text("utf-8", "replace").strip() == file_sha256([path])


def _built(settings: TableSettings, role: Role, spec: RoleSpec, material: Material, how: Settings) -> Dataset:
    """With what the role knows; without, if that can't be searched."""
    if not how.recall:
        return build(spec, material, how)
    from finetune.dataset.recall import reminding

    try:
        remind = reminding(role, Setup(home=settings.home, embedder=settings.embedder, reranker=settings.reranker))
    except KnowledgeError as error:
        say(f"nothing is recalled: {error}")
        return build(spec, material, replace(how, recall=0.0))
    return build(spec, material, how, remind)


def _material(role: Role, bench: Workbench, args: argparse.Namespace) -> Material:
    """What was named; else the scenes on the workbench; else the role's own lines. With it, what models wrote."""
    lines = role.folder / LINES
    files = args.files or [path for path in (bench.scenes, lines) if path.is_file()][:1]
    if not files:
        raise WorkshopError(role.id, "there is nothing to make examples of", "read something: corpus read FILE --role")
    told = [path for path in files if holds_records(path)]
    found = [record for path in told for record in _records(path)]
    made = [*_made(bench), *(() if lines in told else (record for record in _records(lines) if record.made_by))]
    return Material(
        scenes=[scene for path in files if path not in told for scene in read_rows(path, Scene)],
        records=found,
        made=made,
        general=_general(args.general) if args.general else (),
        sources=[*map(str, files), *([str(args.general)] if args.general else [])],
    )


def _made(bench: Workbench) -> list[Record]:
    return [record for path in sorted(bench.made.glob("*.jsonl")) for record in _records(path)]


def _general(place: Path) -> Iterator[Scene]:
    """Scenes of a file, or of all files of a folder, read when they are needed."""
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    return (scene for path in files for scene in read_rows(path, Scene))


def _records(path: Path) -> list[Record]:
    return list(read_rows(path, Record)) if path.is_file() else []


def _premise(settings: TableSettings, role: Role, room: str) -> str:
    """Of the room that was named; else of the usual one, if the role sits there."""
    known = find_rooms(settings.rooms)
    if room and room not in known:
        raise FolderError(f"rooms/{room}.toml", "there is no such room", nearest(room, known))
    if not room and settings.room not in known:
        return ""
    found = read_room(settings.rooms / f"{room or settings.room}.toml")
    return found.premise if room or role.id in found.roles else ""
