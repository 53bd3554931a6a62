"""Training on a tiny base: loss falls, a killed run ends as an undisturbed one, and the role folder changes whole."""

import json
import shutil
import signal
from pathlib import Path

import msgspec
import pytest

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from chatroom.chat_template import ASIDE
from chatroom.roles import check_role, read_role
from commands.finetune import stoppable
from finetune.dataset.files import About, read_dataset, write_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line
from finetune.errors import WorkshopError
from finetune.training.batches import ByLength, Collator
from finetune.training.kinds import Kind, invocation_of, load_base, ready, with_adapter
from finetune.training.pace import epochs_that_fit
from finetune.training.plan import Plan, check_base, check_same, checkpoints, read_plan, write_plan
from finetune.training.recipe import Recipe, epochs_for, read_recipe
from finetune.training.role_model import with_model
from finetune.training.run import read_result, train
from finetune.training.save import install
from finetune.training.scores import mean_loss
from tests.workshop.limits import full_disk

ROLE_TOML = """\
name = "Mara Vell"   # of the light

[model]
base = "models/tiny"  # small
# adapter = "adapter"

[sampling]
temperature = 0.5
"""

RECIPE = Recipe(epochs=3, learning_rate=3e-3, rank=4, alpha=8, batch=4, context=256, keep=100, patience=50)


def moment(at: int) -> Moment:
    """Somebody asks, in one of two languages, and the answer always begins alike."""
    asked = "你好，你是谁？" if at % 2 else f"Who goes there, {at}?"
    return Moment(
        heard=(Line(name="Tobin", text=asked),), name="Mara Vell", reply=f"The lamp is lit. {at}", scene=str(at)
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a tiny base, a role and its dataset."""
    make_base(tmp_path / "models/tiny", num_hidden_layers=2)
    (tmp_path / "roles/mara").mkdir(parents=True)
    (tmp_path / "roles/mara/role.toml").write_text(ROLE_TOML, "utf-8")
    write_dataset(
        tmp_path / "dataset",
        About(role="mara", name="Mara Vell", digest=""),
        [moment(at) for at in range(18)],
        [moment(at) for at in range(18, 24)],
    )
    return tmp_path


def planned(shop: Path, kind: Kind = "lora", recipe: Recipe = RECIPE, base: str = "models/tiny") -> Path:
    """The folder of a run that is ready to be trained."""
    plan = Plan(
        role="mara",
        folder=str(shop / "roles/mara"),
        base=str(shop / base),
        dataset=str(shop / "dataset"),
        kind=kind,
        recipe=recipe,
    )
    write_plan(shop / "runs" / kind, plan.stamped())
    return shop / "runs" / kind


@pytest.mark.parametrize("kind", ["lora", "alora", "full"])
def test_held_out_loss_falls(shop: Path, kind: Kind) -> None:
    run = planned(shop, kind)
    result = train(run)
    assert result.loss < result.base_loss - 0.5
    assert result.epochs == 3
    assert all((run / name).stat().st_size for name in ("curves.png", "samples.md", "report.md", "result.json"))
    assert any((run / "events").iterdir())


def test_killed_run_ends_as_undisturbed(shop: Path) -> None:
    run = planned(shop)
    undisturbed = train(run)
    before = load_file(run / "model/adapter_model.safetensors")
    samples = (run / "samples.md").read_text("utf-8")
    for checkpoint in checkpoints(run)[1:]:
        shutil.rmtree(checkpoint)
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    (run / "checkpoint-900").mkdir()  # one that the kill cut off
    resumed = train(run)
    after = load_file(run / "model/adapter_model.safetensors")
    assert resumed.loss == undisturbed.loss
    assert resumed.steps == undisturbed.steps
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (run / "samples.md").read_text("utf-8") == samples


def test_changed_run_names_its_changes(shop: Path) -> None:
    run = planned(shop, recipe=msgspec.structs.replace(RECIPE, epochs=1))
    train(run)
    plan = read_plan(run)
    other = msgspec.structs.replace(plan, data_digest="0", recipe=msgspec.structs.replace(plan.recipe, rank=8))
    check_same(run, plan)
    with pytest.raises(WorkshopError, match=r"the dataset, epochs|the dataset, rank \(4 → 8\)") as raised:
        check_same(run, other)
    assert "--restart" in str(raised.value)


def test_both_twins_serve_the_role(shop: Path) -> None:
    runs = [planned(shop, kind) for kind in ("alora", "lora")]
    for run in runs:
        train(run)
    install(runs)
    role = read_role(shop / "roles/mara", shop / "models")
    assert role.adapter is not None
    assert role.adapter.invocation
    assert role.lora.endswith("lora")
    assert check_role_without_lines(shop) == []


def check_role_without_lines(shop: Path) -> list[str]:
    return [str(fault) for fault in check_role(shop / "roles/mara", shop / "models") if "lines" not in str(fault)]


def test_installed_adapter_scores_as_measured(shop: Path) -> None:
    run = planned(shop)
    result = train(run)
    install([run])
    base = shop / "models/tiny"
    dataset, renderer = read_dataset(shop / "dataset"), Renderer.of(base, context=RECIPE.context)
    examples = [renderer.example(each) for each in dataset.held_out]
    adapted = with_adapter(load_base(base), shop / "roles/mara/adapter")
    assert mean_loss(adapted, examples, Collator(pad=0, activated=False)) == pytest.approx(result.loss, abs=0.01)


def test_installed_adapter_names_no_folder_of_this_machine(shop: Path) -> None:
    run = planned(shop)
    train(run)
    install([run])
    texts = [path.read_text("utf-8") for path in (shop / "roles/mara/adapter").glob("*.json")]
    assert texts
    assert [text for text in texts if str(shop) in text] == []


def test_provenance_says_what_was_used(shop: Path) -> None:
    run = planned(shop)
    result = train(run)
    install([run], [result, msgspec.structs.replace(result, loss=result.loss + 0.1)])
    stamp = json.loads((shop / "roles/mara/adapter/provenance.json").read_text("utf-8"))
    assert stamp["base"] == result.plan.base_digest
    assert stamp["dataset"] == read_dataset(shop / "dataset").about.digest
    assert stamp["scores"]["perplexity"] < stamp["scores"]["perplexity_bare_base"]
    assert stamp["scores"]["perplexity_spread"] > 0
    assert stamp["scores"]["seeds"] == 2


def test_whole_weights_replace_an_adapter(shop: Path) -> None:
    first, second = planned(shop), planned(shop, "full")
    for run in (first, second):
        train(run)
    install([first])
    install([second])
    role = read_role(shop / "roles/mara", shop / "models")
    assert role.weights.endswith("weights")
    assert role.adapter is None
    assert 'base = "models/tiny"  # small' in (shop / "roles/mara/role.toml").read_text("utf-8")


def test_failed_install_leaves_everything(shop: Path) -> None:
    run = planned(shop)
    train(run)
    install([run])
    role = shop / "roles/mara"
    before = (role / "adapter/adapter_model.safetensors").read_bytes()
    (role / "role.toml").write_text('model = { base = "models/tiny" }\nname = "Mara Vell"\n', "utf-8")
    with pytest.raises(WorkshopError, match="safely"):
        install([run])
    assert (role / "adapter/adapter_model.safetensors").read_bytes() == before
    assert not list(role.glob(".*"))


def test_tails_are_told_as_peft_finds_them(shop: Path) -> None:
    base = shop / "models/tiny"
    dataset, renderer = read_dataset(shop / "dataset"), Renderer.of(base, context=256)
    model = ready(base, "alora", RECIPE)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    examples = [renderer.example(each) for each in dataset.train]
    told = mean_loss(model, examples, Collator(pad=0, activated=True))
    found = mean_loss(model, examples, Collator(pad=0, activated=False))
    assert told == pytest.approx(found, abs=1e-5)


def test_patience_stops_before_the_epochs_end(shop: Path) -> None:
    hasty = msgspec.structs.replace(RECIPE, epochs=60, learning_rate=0.05, final_rate=1.0, patience=1)
    result = train(planned(shop, recipe=hasty))
    assert result.epochs < 60
    assert "brought nothing" in result.stopped


def test_other_bases_get_an_invocation(shop: Path) -> None:
    ours = AutoTokenizer.from_pretrained(shop / "models/tiny")
    assert invocation_of(ours) == (ours.convert_tokens_to_ids(ASIDE),)
    other = AutoTokenizer.from_pretrained(make_base(shop / "models/other", ours=False, template=True))
    assert invocation_of(other) == (other.convert_tokens_to_ids("<|switch|>"),)


def test_other_base_learns_activated_too(shop: Path) -> None:
    make_base(shop / "models/other", ours=False, template=True, num_hidden_layers=2)
    run = planned(shop, "alora", base="models/other")
    result = train(run)
    assert result.loss < result.base_loss - 0.5
    config = json.loads((run / "model/adapter_config.json").read_text("utf-8"))
    assert len(config["alora_invocation_tokens"]) == 1


def test_quantized_training_says_what_is_missing(shop: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(WorkshopError, match="CUDA"):
        train(planned(shop, "qlora"))


def given(shop: Path, train: list[Moment], held_out: list[Moment]) -> None:
    write_dataset(shop / "dataset", About(role="mara", name="Mara Vell", digest=""), train, held_out)


BRIEF = msgspec.structs.replace(RECIPE, epochs=1)


def test_empty_dataset_is_refused(shop: Path) -> None:
    given(shop, [], [moment(1)])
    with pytest.raises(WorkshopError, match="no moments to learn from"):
        train(planned(shop))


def test_one_moment_trains_unmeasured(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given(shop, [moment(1)], [])
    run = planned(shop, recipe=BRIEF)
    result = train(run)
    assert result.steps == 1
    assert not read_result(run).measured
    assert "nothing is held out" in capsys.readouterr().err
    assert "not measured" in (run / "report.md").read_text("utf-8")
    install([run])
    stamp = json.loads((shop / "roles/mara/adapter/provenance.json").read_text("utf-8"))
    assert "perplexity" not in stamp["scores"]


def test_long_reply_is_cut_and_told(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = msgspec.structs.replace(moment(1), reply="The lamp is lit. 灯亮了。" * 400)
    example = Renderer.of(shop / "models/tiny", context=256).example(endless)
    assert example.cut
    assert len(example.ids) == 256
    given(shop, [endless, moment(2)], [moment(3)])
    train(planned(shop, recipe=BRIEF))
    assert "1 replies are longer than the context of 256" in capsys.readouterr().err


def test_half_written_checkpoint_is_none(tmp_path: Path) -> None:
    for step, text in ((5, '{"global_step": 5}'), (10, '{"global_st'), (15, "")):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text(text, "utf-8")
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-5"]


def test_diverged_training_says_so(shop: Path) -> None:
    weights = load_file(shop / "models/tiny/model.safetensors")
    spoilt = {name: torch.full_like(each, torch.nan) if "norm" in name else each for name, each in weights.items()}
    save_file(spoilt, shop / "models/tiny/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WorkshopError, match=r"learning rate.*--lr"):
        train(planned(shop, recipe=BRIEF))


def test_unwritable_run_is_an_error(shop: Path) -> None:
    run = planned(shop, recipe=BRIEF)
    (run / "model").write_text("in the way", "utf-8")
    with pytest.raises(WorkshopError, match="goes on where it stopped"):
        train(run)


def test_full_disk_loses_no_checkpoint(shop: Path) -> None:
    run = planned(shop)
    undisturbed = train(run).loss
    last, newest = checkpoints(run)[0], checkpoints(run)[-1]
    size = (last / "adapter_model.safetensors").stat().st_size
    for path in (newest, run / "model", *checkpoints(run)[1:]):
        shutil.rmtree(path, ignore_errors=True)
    with full_disk(after=size + 4096), pytest.raises(WorkshopError, match="goes on where it stopped"):
        train(run)  # the optimizer's state is larger than the adapter, and torch writes it
    assert checkpoints(run) == [last]
    assert train(run).loss == undisturbed


def test_base_changed_meanwhile_is_named(shop: Path) -> None:
    plan = read_plan(planned(shop))
    check_base(plan)
    make_base(shop / "models/tiny", num_hidden_layers=2, seed=9)
    with pytest.raises(WorkshopError, match=r"changed while.*--restart"):
        check_base(plan)


def test_being_ended_is_a_stop_by_hand() -> None:
    usual = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == usual


def test_unwritable_role_keeps_the_run(shop: Path) -> None:
    run = planned(shop, recipe=BRIEF)
    train(run)
    (shop / "roles/mara").rename(shop / "roles/ines")
    with pytest.raises(WorkshopError, match="--resume"):
        install([run])
    (shop / "roles/ines").rename(shop / "roles/mara")
    assert install([run]) == [shop / "roles/mara/adapter"]


def test_base_without_tokenizer_is_named(shop: Path) -> None:
    for path in (shop / "models/tiny").glob("tokenizer*"):
        path.unlink()
    with pytest.raises(WorkshopError, match="tokenizer or config"):
        train(planned(shop))


def test_spoilt_stamp_of_base_is_named(shop: Path) -> None:
    (shop / "models/tiny/provenance.json").write_text("{", "utf-8")
    with pytest.raises(WorkshopError, match=r"provenance\.json"):
        train(planned(shop))


def test_batches_depend_on_seed_and_epoch() -> None:
    lengths = [at % 7 * 30 for at in range(50)]
    order, same = ByLength(lengths, 4, seed=1), ByLength(lengths, 4, seed=1)
    first = list(order)
    assert sorted(first) == list(range(50))
    assert list(same) == first
    order.set_epoch(1)
    assert list(order) != first


def test_small_datasets_are_read_more_often() -> None:
    assert 10 <= epochs_for(100) <= 20
    assert 5 <= epochs_for(1_000) <= 10
    assert 2 <= epochs_for(10_000) <= 5
    counts = [epochs_for(10**power) for power in range(8)]
    assert counts == sorted(counts, reverse=True)


def test_epochs_fit_into_the_minutes() -> None:
    assert epochs_that_fit(10, 60, 20) == 8
    assert epochs_that_fit(10, 60, 3) == 3
    assert 0 < epochs_that_fit(1, 600, 3) < 1


def test_unknown_recipe_key_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("learnin_rate = 1e-3\n", "utf-8")
    with pytest.raises(WorkshopError, match=r"learnin_rate.*did you mean 'learning_rate'"):
        read_recipe(path)
    path.write_text("rank = 3\nseed = 4\n", "utf-8")
    assert read_recipe(path, {"rank": 5}) == Recipe(rank=5, seed=4)


@pytest.mark.parametrize("name", ["role.toml", "large.toml"])
def test_bundled_recipes_can_be_read(name: str) -> None:
    assert read_recipe(Path("finetune/recipes") / name).rank >= 8


def test_role_toml_keeps_its_words() -> None:
    text = 'name = "马拉"\n\n[model]\n# why\nbase = "models/a"\nadapter = "old"\n\n[turns]\ntalkativeness = 0.5\n'
    new = with_model(text, {"adapter": "adapter", "lora": "lora", "weights": None})
    assert new == text.replace('adapter = "old"\n', 'adapter = "adapter"\nlora = "lora"\n')
    assert with_model("name = 'A'\n", {"adapter": "adapter", "lora": None}).endswith('[model]\nadapter = "adapter"\n')
    with pytest.raises(WorkshopError, match="safely"):
        with_model('about = """\n[model]\n"""\n', {"adapter": "adapter"})
