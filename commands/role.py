"""role new, check, list, import, export: the role folders."""

import argparse
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.settings import Settings, load_settings
from commands._role_export import add_export
from commands._role_import import add_import
from commands.base import say, show, show_table

MAKE = """Makes somebody out of a script, a novel, a table or a chat, and seats them: reads, divides, trains, makes what
they know searchable, checks. Every stage is told as the command that it is; a run that was stopped goes on."""
HELP = "make, check, list, import and export roles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a role folder that already works", description=_new.__doc__)
    new.add_argument("id", metavar="ID", help="name of the folder: a-z, 0-9, - and _")
    new.add_argument("--name", help="what it is called at the table (default: the id, in capitals where due)")
    new.add_argument("--language", choices=("en", "zh"), default="en", help="language it speaks (default: en)")
    new.set_defaults(action=_new)
    _add_make(actions.add_parser("make", help="make a role out of material, train and seat it", description=MAKE))
    check = actions.add_parser("check", help="say everything that is wrong", description=_check.__doc__)
    check.add_argument("ids", nargs="*", metavar="ID", help="roles to check; all if none is named")
    check.set_defaults(action=_check)
    actions.add_parser("list", help="list the roles", description=_list.__doc__).set_defaults(action=_list)
    add_import(actions)
    add_export(actions)


def _add_make(make: argparse.ArgumentParser) -> None:
    from commands.corpus import add_reading

    make.add_argument("id", metavar="ID", help="name of the folder: a-z, 0-9, - and _")
    make.add_argument("--from", dest="files", nargs="+", type=Path, required=True, metavar="FILE", help="the material")
    make.add_argument("--as", dest="role_name", required=True, metavar="NAME", help="who of the speakers there it is")
    make.add_argument("--room", metavar="ROOM", help="seat it in this room")
    make.add_argument("--base", default="models/hearth", metavar="models/NAME", help="default: the bundled base")
    make.add_argument("--kind", help="as finetune has it: lora, alora, both, qlora, full")
    make.add_argument("--epochs", metavar="N", help="how often the data is gone through")
    make.add_argument("--minutes", metavar="M", help="as many epochs as fit into these, in all")
    make.add_argument("--seeds", metavar="1,2,3", help="train with each of them; the best one is taken")
    make.add_argument("--again", action="store_true", help="train anew, although it is trained on the same already")
    make.add_argument("--wiki", nargs="+", type=Path, metavar="FILE", help="documents that it knows")
    make.add_argument("--persona", type=Path, metavar="FILE", help="who it is, in a few sentences")
    make.add_argument("--title", default="", help="what the material is called (default: the first file's name)")
    make.add_argument("--language", default="", help="of the words around what it is told (default: the material's)")
    make.add_argument("--anyway", action="store_true", help="also on a base that does not know the language")
    add_reading(make)
    make.set_defaults(action=_make)


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _new(args: argparse.Namespace) -> int:
    """Makes a role folder that already works, over the bundled base. Nothing is ever overwritten."""
    from chatroom.names import name_fault
    from chatroom.roles import ROLE_ID
    from commands._new_role import write_role
    from commands.serve import room_ids

    settings = load_settings()
    name = args.name or args.id.replace("-", " ").replace("_", " ").title()
    if not ROLE_ID.fullmatch(args.id):
        raise FolderError(f"roles/{args.id}", "this can't be the id of a role", "use a-z, 0-9, - and _")
    if problem := name_fault(name):
        raise FolderError(f"roles/{args.id}", f"the name {problem}", "pass another one as --name")
    _check_free(settings, args.id, name)
    folder = settings.roles / args.id
    write_role(folder, name, args.language)
    show(f"{name} lives in {folder}: role.toml, persona.md, lines.jsonl, wiki/")
    room = next(iter(room_ids(settings)), "ROOM")
    show(f"next: python launch.py rooms seat {room} {args.id}")
    return 0


def _make(args: argparse.Namespace) -> int:
    from commands._role_make import make

    return make(args)


def _check_free(settings: Settings, id: str, name: str) -> None:
    """Refuses a name that another role has."""
    from chatroom.names import name_key
    from chatroom.roles import check_role, find_roles, read_role

    for other in find_roles(settings.roles):
        if other == id or check_role(settings.roles / other, settings.models):
            continue
        if name_key(read_role(settings.roles / other, settings.models).name) == name_key(name):
            raise FolderError(f"roles/{id}", f"the role {other!r} is called {name!r} too", "pass another one as --name")


def _check(args: argparse.Namespace) -> int:
    """Says everything that is wrong with role folders: file, key, and what to do. Exit status 1 if anything is."""
    from chatroom.roles import find_roles
    from chatroom.toml_table import nearest

    settings = load_settings()
    existing = sorted({*find_roles(settings.roles), *_folders(settings.roles)})
    for id_ in args.ids:
        if id_ not in existing:
            raise FolderError(f"roles/{id_}", "there is no such role", nearest(id_, existing))
    faults = _faults(settings, existing)
    broken = [id_ for id_ in args.ids or existing if _report(settings, id_, faults[id_])]
    if not existing:
        say(f"there is no role in {settings.roles}; make one: role new ID")
    return 1 if broken else 0


def _faults(settings: Settings, ids: list[str]) -> dict[str, list[FolderError]]:
    """Faults by id; two roles of one name are a fault of the later one."""
    from chatroom.plugins import names
    from chatroom.roles import check_role, read_role, same_names
    from chatroom.toml_table import nearest

    engines = names("chatroom.engines")
    faults = {id_: check_role(settings.roles / id_, settings.models) for id_ in ids}
    sound = [read_role(settings.roles / id_, settings.models) for id_ in ids if not faults[id_]]
    for role in sound:
        if role.engine and role.engine not in engines:
            problem = f"there is no engine {role.engine!r}"
            remedy = nearest(role.engine, engines)
            faults[role.id].append(FolderError(f"roles/{role.id}/role.toml", problem, remedy, key="model.engine"))
    for fault in same_names(sound):
        faults[Path(fault.file).parent.name].append(fault)
    return faults


def _report(settings: Settings, id: str, faults: list[FolderError]) -> bool:
    """Shows what was found about one role; true if anything is wrong."""
    from chatroom.roles import read_role, remarks

    for fault in faults:
        show(str(fault) if fault.file.startswith(f"roles/{id}/") else f"roles/{id}: {fault}")
    if not faults:
        role = read_role(settings.roles / id, settings.models)
        show(f"roles/{id}: {role.name} is well")
        for remark in remarks(role):
            show(f"roles/{id}: remark: {remark}")
    return bool(faults)


def _list(args: argparse.Namespace) -> int:
    """Lists the roles: what they are called, what they speak with, and whether their folder is sound."""
    from chatroom.roles import find_roles, read_role

    settings = load_settings()
    rows = [("ID", "NAME", "SPEAKS WITH", "STATE")]
    for id_, faults in _faults(settings, find_roles(settings.roles)).items():
        if faults:
            rows.append((id_, "", "", f"broken: {faults[0]}"))
            continue
        role = read_role(settings.roles / id_, settings.models)
        rows.append((id_, role.name, _speaks_with(role.base, role.weights, bool(role.adapter)), "well"))
    show_table(rows)
    return 0


def _speaks_with(base: str, weights: str, adapter: bool) -> str:
    model = Path(base).name if base.startswith("/") else base
    return "own weights" if weights else f"{model} + adapter" if adapter else model


def _folders(roles: Path) -> list[str]:
    """Folders that look like roles but for a missing role.toml."""
    return [path.parent.name for path in roles.glob("*/persona.md")]
