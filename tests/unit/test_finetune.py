"""What training promises: examples are served prompts, loss is where it belongs, two steps learn something."""

import math
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from finetune.base.books import novel_scenes, speaker_line  # noqa: E402
from finetune.base.growing import grown  # noqa: E402
from finetune.base.pack import END, PAD, load_tokens, save_tokens  # noqa: E402
from finetune.base.pack_dialogue import packed, rows_of  # noqa: E402
from finetune.base.tokenizer import check  # noqa: E402
from finetune.base.train import Recipe, Stage, Training, loss_of, positions, train  # noqa: E402
from finetune.dataset.moment import Moment  # noqa: E402
from finetune.dataset.render import Example, Renderer  # noqa: E402
from finetune.dialogue import Line, Scene, read_records  # noqa: E402

HEARTH = Path(__file__).parents[2] / "models" / "hearth"
MOMENT = Moment(
    premise="An inn by the sea.",
    heard=(Line(name="Ann", text="Is the lamp lit?"),),
    name="Mara Vell",
    persona="Keeper of the light.",
    reply="Lit since six.",
)


def tiny_recipe(folder: Path) -> Recipe:
    save_tokens(folder / "count.npz", [token % 50 for token in range(20_000)])
    stage = Stage(
        minutes=600, batch_tokens=2048, lengths=[(0.0, 64)], mix={"count": 1.0}, held=["count"], muon_lr=0.02,
        adam_lr=0.01, warmup_steps=1, final_lr=0.1, compile=False,
    )  # fmt: skip
    model = {"vocab_size": 64, "hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}
    model |= {"intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    return Recipe(tokens=folder, work=folder, out=folder, seed=1, model=model, stages={"one": stage})


def run(recipe: Recipe, steps: int) -> Training:
    training = Training(recipe, "one")
    sources = {"count": load_tokens(recipe.tokens / "count.npz")}
    train(training, sources, sources, recipe.seed, most_steps=steps)
    return training


def test_two_steps_lower_a_finite_loss(tmp_path: Path) -> None:
    from finetune.base.export import read_log

    run(tiny_recipe(tmp_path), 2)
    first, last = (row.held["count"] for row in read_log(tmp_path / "one" / "loss.jsonl") if row.held)
    assert math.isfinite(last)
    assert last < first < math.log(64) + 0.5


def test_a_killed_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    before = run(recipe, 2)
    after = Training(recipe, "one")
    assert (after.step, after.tokens) == (2, before.tokens)
    for old, new in zip(before.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_stage_goes_on_from_an_exported_base(tmp_path: Path) -> None:
    from msgspec.structs import replace

    before = run(tiny_recipe(tmp_path / "one"), 1)
    before.model.save_pretrained(tmp_path / "base")
    recipe = tiny_recipe(tmp_path / "two")
    stage = replace(recipe.stages["one"], start_from=str(tmp_path / "base"))
    after = Training(replace(recipe, stages={"one": stage}), "one")
    assert after.step == 0
    for old, new in zip(before.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_every_row_counts_alike() -> None:
    class Even(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, **_: object) -> object:
            logits = torch.zeros(*input_ids.shape, 4)
            logits[0, :, 1] = 10.0  # sure of id 1 in the first row, of nothing in the second
            return type("Out", (), {"logits": logits})

    ids = torch.ones(2, 4, dtype=torch.long)
    targets = torch.tensor([[1, 1, 1, 1], [1, -100, -100, -100]])
    assert float(loss_of(Even(), (ids, targets))) == pytest.approx(math.log(4) / 2, abs=1e-3)


def test_loss_is_on_reply_and_end_only() -> None:
    renderer = Renderer.of(HEARTH)
    made = renderer.example(MOMENT)
    learnt = [token for token, learn in zip(made.ids, made.learn, strict=True) if learn]
    assert learnt == [*renderer.template.text_ids(" Lit since six."), END]
    assert made.learn == sorted(made.learn)  # nothing before the reply


def test_an_example_is_the_served_prompt() -> None:
    renderer = Renderer.of(HEARTH)
    served = renderer.template.render(renderer.prompt(MOMENT))
    made = renderer.example(MOMENT, learn_lines=True)
    assert made.ids[: len(served.ids)] == served.ids
    assert made.learn[: served.shared] == [True] * served.shared
    assert not any(made.learn[served.shared : len(served.ids)])


def test_a_transcript_is_the_shared_part() -> None:
    renderer = Renderer.of(HEARTH)
    text_ids = renderer.template.text_ids
    scene = Scene(premise=MOMENT.premise, lines=list(MOMENT.heard))
    made = renderer.transcript(scene)
    assert made.ids == [*text_ids("An inn by the sea."), END, *text_ids("Ann: Is the lamp lit?"), END]


def test_no_text_spells_a_special_token() -> None:
    assert len(check(HEARTH)) == 4096


def example(length: int) -> Example:
    return Example(ids=[length] * length, learn=[True] * length, shared=0)


def test_rows_begin_with_an_example() -> None:
    ids, learn = packed([[example(6), example(2)], [example(5)]], row=10)
    assert ids == [6] * 6 + [PAD] + [2] * 2 + [PAD] + [5] * 5 + [PAD] * 6
    assert [at for at, marked in enumerate(learn) if not marked] == [0, 6, 7, 9, 10, 15, 16, 17, 18, 19, 20]


def test_rows_are_filled_where_least_is_left() -> None:
    rows = rows_of([example(length) for length in (2, 5, 6, 1, 3, 10)], row=10)
    assert [[len(each.ids) for each in row] for row in rows] == [[6, 2], [5, 3], [1]]  # 10 and its pad don't fit


def test_a_deeper_model_says_the_same_at_first(tmp_path: Path) -> None:
    from msgspec.structs import replace

    recipe = tiny_recipe(tmp_path / "small")
    small = run(recipe, 1).model.eval()
    deep = Training(replace(tiny_recipe(tmp_path / "deep"), model=recipe.model | {"num_hidden_layers": 5}), "one").model
    deep.load_state_dict(grown(small.state_dict(), layers=5))
    ids = torch.arange(20).reshape(2, 10)
    assert torch.allclose(small(ids).logits, deep.eval()(ids).logits, atol=1e-5)
    with pytest.raises(ValueError, match="1 layers"):
        grown(small.state_dict(), layers=1)


def test_positions_begin_anew_after_a_pad() -> None:
    ids = torch.tensor([[5, 5, PAD, 5, 5, PAD, PAD, 5]])
    found = positions(ids)
    assert found is not None
    assert found.tolist() == [[0, 1, 2, 0, 1, 2, 0, 0]]
    assert positions(torch.tensor([[5, 5]])) is None


def test_an_example_sees_nothing_of_another(tmp_path: Path) -> None:
    model = Training(tiny_recipe(tmp_path), "one").model.eval()
    packed_ids = torch.tensor([[7, 8, 9, PAD, 11, 12, 13]])
    alone = model(input_ids=packed_ids[:, 4:], use_cache=False).logits
    beside = model(input_ids=packed_ids, position_ids=positions(packed_ids), use_cache=False).logits[:, 4:]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_every_tenth_record_is_held_out(tmp_path: Path) -> None:
    rows = [f'{{"context": [{{"name": "Ann", "text": "Hi"}}], "reply": "{index}"}}' for index in range(25)]
    (tmp_path / "lines.jsonl").write_text("\n".join(rows), encoding="utf-8")
    learning, held_out = read_records(tmp_path / "lines.jsonl")
    assert [record.reply for record in held_out] == ["9", "19"]
    assert len(learning) == 23


def test_a_play_line_loses_its_stage_directions() -> None:
    assert speaker_line("LADY BRACKNELL. [Rising.] A handbag?") == Line(name="Lady Bracknell", text="A handbag?")
    assert speaker_line("They all leave the room.") is None


def test_speech_in_a_novel_becomes_talk() -> None:
    book = ["It rained.", '"Come in," said he, "and sit."', '"I will," she said.', '"Good."', "They sat."]
    (scene,) = novel_scenes(book, random.Random(2))
    assert [line.text for line in scene.lines] == ["Come in, and sit.", "I will.", "Good."]
    assert scene.lines[0].name == scene.lines[2].name != scene.lines[1].name
