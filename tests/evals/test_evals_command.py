"""`evals` from the command line to the page: with the scripted engine, with a tiny model, and whose voice is whose."""

import math
import shutil
from pathlib import Path

import msgspec
import pytest

from tests.tiny import make_adapter, make_base  # isort: skip  # it sets the number of threads before torch is loaded

from chatroom.engines.scripted import Engine
from chatroom.roles import read_role
from chatroom.rooms import read_room
from chatroom.settings import load_settings
from commands.base import main
from evals.asking import Asking, Reply
from evals.probes import read_probes
from finetune.dataset.files import About, write_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line
from finetune.places import Workbench
from finetune.training.batches import Collator
from finetune.training.kinds import load_base
from finetune.training.scores import mean_loss

PROBES = "# talk\n\n" + "".join(f"Ann: Is it lamp {at}?\n= ann | guest\n\n" for at in range(10))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"), num_hidden_layers=1)


@pytest.fixture
def world(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a room for two roles over one base, and probes for one of them."""
    shutil.copytree(base, tmp_path / "models/tiny")
    for id_ in ("mara", "tobin"):
        seat(tmp_path, id_)
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms/inn.toml").write_text('name = "The inn"\nroles = ["mara", "tobin"]\n', "utf-8")
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes/mara.txt").write_text(PROBES, "utf-8")
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CHATROOM_EMBEDDER", "none")
    monkeypatch.setenv("CHATROOM_ROOM", "inn")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seat(world: Path, id: str, *, engine: str = "scripted", adapter: bool = False) -> None:
    folder = world / "roles" / id
    (folder / "wiki").mkdir(parents=True, exist_ok=True)
    (folder / "wiki/lens.md").write_text("# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n", "utf-8")
    model = f'engine = "{engine}"\nbase = "models/tiny"\n' + ('adapter = "adapter"\n' if adapter else "")
    text = f'name = "{id.title()} Vell"\ngreeting = "Evening, I am {id}."\n[model]\n{model}[sampling]\nmax_tokens = 8\n'
    (folder / "role.toml").write_text(f'{text}[knowledge]\nsources = ["wiki"]\n', "utf-8")
    (folder / "persona.md").write_text("Keeper.", "utf-8")


def evals(world: Path, *more: str) -> int:
    return main(["evals", "--probes", str(world / "probes"), *more])


def said(world: Path, out: str = "home/evals") -> list[Reply]:
    return msgspec.json.Decoder(Reply).decode_lines((world / out / "replies.jsonl").read_bytes())


def test_roles_with_probes_are_asked(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evals(world) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "a reply expected Mara Vell" in shown
    assert "Tobin Vell" not in shown
    assert "takes up what was just said, where the moment wants it 70% 100% of 10" in shown
    replies = said(world)
    assert [reply.probe.heard[-1].text for reply in replies] == [f"Is it lamp {at}?" for at in range(10)]
    assert replies[3].text == "I heard: Ann: Is it lamp 3?"
    page = (world / "home/evals/report.html").read_text("utf-8")
    assert [reply.text for reply in replies if reply.text not in page] == []


def test_most_takes_probes_evenly(world: Path) -> None:
    assert evals(world, "--most", "3", "--out", "out") == 0
    assert [reply.probe.heard[0].text for reply in said(world, "out")] == [f"Is it lamp {at}?" for at in (0, 3, 6)]
    assert evals(world, "--most", "50", "--out", "out") == 0
    assert len(said(world, "out")) == 10


@pytest.mark.parametrize("count", ["0", "-3", "many", "1.5"])
def test_a_wrong_count_is_refused(world: Path, count: str) -> None:
    with pytest.raises(SystemExit):
        evals(world, f"--most={count}")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["tobin"], ["probes", "no probes for these roles", "docs/evals.md"]),
        (["mra"], ["roles/mra", "does not sit in the room 'inn'", "mara"]),
        (["--room", "in"], ["rooms/in.toml", "there is no such room", "inn"]),
        (["--out", "rooms/inn.toml"], ["rooms/inn.toml", "can't be written"]),
    ],
)
def test_what_cannot_be_asked_is_told(
    world: Path, capsys: pytest.CaptureFixture[str], words: list[str], parts: list[str]
) -> None:
    assert evals(world, *words) == 1
    told = capsys.readouterr().err
    assert [part for part in parts if part not in told] == []


def test_a_fault_in_probes_stops_it(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "probes/mara.txt").write_text("Ann: Hi.\n\nshe waves\n", "utf-8")
    assert evals(world) == 1
    assert "error: mara.txt, line 3: 'she waves' is no line of a probe" in capsys.readouterr().err
    assert not (world / "home/evals").exists()


def test_a_base_elsewhere_is_told(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = world / "roles/mara/role.toml"
    toml.write_text(toml.read_text("utf-8").replace("models/tiny", "example/base"), "utf-8")
    assert evals(world) == 1
    assert "example/base: its tokenizer or config can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("bare", [False, True])
async def test_bare_leaves_the_adapter_off(world: Path, bare: bool) -> None:
    made = make_adapter(world / "roles/mara/adapter", world / "models/tiny", activated=True)
    seat(world, "mara", adapter=True)
    asking, _ = await answered(world, bare=bare)
    used = {asked.adapter.path if asked.adapter else "" for asked in scripted(asking).asked}
    assert used == {"" if bare else made.path}


async def test_a_role_hears_what_its_room_says(world: Path) -> None:
    """Greetings first, short names made whole, and the page that answers."""
    (world / "probes/mara.txt").write_text("Ann: Hello.\nTobin: Hm.\nAnn: Mara, how tall is the great lens?\n", "utf-8")
    asking, replies = await answered(world)
    assert [passage.title for passage in replies[0].passages] == ["The Eye"]
    prompt = scripted(asking).asked[-1].prompt
    lines = [line.text for line in prompt.lines]
    assert lines[:2] == ["Mara Vell: Evening, I am mara.", "Tobin Vell: Evening, I am tobin."]
    assert lines[3] == "Tobin Vell: Hm."
    assert "It stands ten feet tall" in "\n".join(prompt.tail)


async def test_every_probe_has_a_seed_of_its_own(world: Path) -> None:
    asking, _ = await answered(world)
    assert [asked.sampling.seed for asked in scripted(asking).asked] == [0, *range(10)]


async def test_no_probes_give_no_replies(world: Path) -> None:
    (world / "probes/mara.txt").write_text("# fact\n", "utf-8")
    _, replies = await answered(world)
    assert replies == []


async def test_a_real_engine_answers_probes(world: Path) -> None:
    make_adapter(world / "roles/mara/adapter", world / "models/tiny", activated=True)
    seat(world, "mara", engine="transformers_peft", adapter=True)
    (world / "probes/mara.txt").write_text("Ann: Hello.\n\nAnn: Who goes there?\n", "utf-8")
    _, replies = await answered(world)
    assert len(replies) == 2
    for reply in replies:
        assert reply.name == "Mara Vell"
        assert reply.used > 0
        assert 0 < reply.first <= reply.seconds


async def answered(world: Path, *, bare: bool = False) -> tuple[Asking, list[Reply]]:
    """Mara's replies to her probes, and who asked."""
    settings = load_settings()
    roles = [read_role(settings.roles / id_, settings.models) for id_ in ("mara", "tobin")]
    asking = Asking(settings, roles[0], read_room(settings.rooms / "inn.toml"), roles, bare=bare)
    return asking, [reply async for reply in asking.replies(read_probes(world / "probes/mara.txt"))]


def scripted(asking: Asking) -> Engine:
    """The engine that was asked; the first thing it is asked only loads."""
    engine = asking._pool.engine(asking._role)
    assert isinstance(engine, Engine)
    return engine


# --- whose voice is whose --------------------------------------------------------------------------------------------


def train(world: Path, id: str, *, folder: Path | None = None, activated: bool = True, held: int = 4) -> list[Moment]:
    """An adapter, and a dataset with moments held out."""
    make_adapter(world / "roles" / id / "adapter", world / "models/tiny", activated=activated, seed=len(id))
    seat(world, id, adapter=True)
    heard = (Line(name="Ann", text="Who goes there?"),)
    moments = [Moment(heard=heard, name=f"{id.title()} Vell", reply=f"The lamp is lit, {at}.") for at in range(held)]
    place = folder or Workbench.of(world / "home", id).dataset
    write_dataset(place, About(role=id, name=id.title(), digest=""), moments, moments)
    return moments


def table(text: str) -> dict[str, list[str]]:
    return {row[:10]: row[10:].replace(" *", "*").split() for row in text.splitlines()}


def test_the_lowest_of_a_row_is_marked(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moments = train(world, "mara")
    train(world, "tobin", folder=world / "home/hearth/roles/tobin/dataset", activated=False)
    assert main(["evals", "--voices"]) == 0
    found = table(capsys.readouterr().out)
    for name in ("Mara Vell ", "Tobin Vell"):
        row = [cell for cell in found[name] if cell[0].isdigit()]
        numbers = [float(cell.rstrip("*")) for cell in row]
        assert len(numbers) == 3
        assert [float(cell[:-1]) for cell in row if cell.endswith("*")] == [min(numbers)]
    renderer = Renderer.of(world / "models/tiny")
    examples = [renderer.example(moment) for moment in moments]
    loss = mean_loss(load_base(world / "models/tiny").float(), examples, Collator(pad=0, activated=False))
    assert found["Mara Vell "][0].rstrip("*") == f"{math.exp(loss):.1f}"


def test_a_role_without_dataset_is_left_out(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(world, "mara")
    train(world, "tobin")
    shutil.rmtree(world / "home/workshop/tobin")
    assert main(["evals", "--voices", "--most", "1"]) == 0
    told = capsys.readouterr()
    assert "Tobin Vell is left out: there is no dataset in" in told.err
    assert "Tobin Vell" not in table(told.out)


@pytest.mark.parametrize("spoil", ["held", "changed", "untrained"])
def test_nothing_to_measure_by_is_told(world: Path, capsys: pytest.CaptureFixture[str], spoil: str) -> None:
    train(world, "mara", held=0 if spoil == "held" else 2)
    if spoil == "changed":
        (Workbench.of(world / "home", "mara").dataset / "held_out.jsonl").write_text("", "utf-8")
    if spoil == "untrained":
        seat(world, "mara")
    assert main(["evals", "--voices"]) == 1
    told = capsys.readouterr().err
    assert "no role of this room has an adapter and held-out moments" in told
    reason = {"held": "nothing is held out", "changed": "have changed since", "untrained": "error"}[spoil]
    assert reason in told
