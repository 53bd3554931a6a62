"""From scenes to a dataset: what a role heard, what is held out, what is left out; and that a room serves the same."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from chatroom import context
from chatroom.messages import Example, Message, Passage, Recalled, Speaker
from chatroom.words import words
from commands.base import main
from finetune.dataset.build import Material, build
from finetune.dataset.duplicates import Known
from finetune.dataset.files import Dataset, read_dataset, write_dataset
from finetune.dataset.moment import Moment
from finetune.dataset.preview import marked, preview
from finetune.dataset.recall import reminding
from finetune.dataset.records import records
from finetune.dataset.render import Renderer
from finetune.dataset.role import RoleSpec
from finetune.dataset.rows import holds_records, read_rows
from finetune.dataset.settings import Mode, Settings
from finetune.dialogue import Line, Record, Scene
from finetune.errors import WorkshopError
from tests.table import table, write_role
from tests.tiny import make_tokenizer

MARA = RoleSpec(id="mara", name="Mara Vell", also=("MARA",), persona="Mara keeps the light.", premise="A storm.")
ALL = Settings(held_out=0.0, recall=0.0)
PLACES = ("cellar", "tower", "harbour", "causeway", "kitchen", "chapel", "garden", "attic", "bridge", "market")


def said(*lines: tuple[str, str] | Line) -> list[Line]:
    return [line if isinstance(line, Line) else Line(name=line[0], text=line[1]) for line in lines]


def scene(*lines: tuple[str, str] | Line, premise: str = "") -> Scene:
    return Scene(premise=premise, lines=said(*lines))


def talk(number: int, turns: int = 1) -> list[tuple[str, str]]:
    """Lines that nobody else says: questions and Mara's answers."""
    exchanges = []
    for turn in range(turns):
        one, two = PLACES[number % 10], PLACES[(turn + number // 10) % 10]
        word = f"{number:x}{turn:x}".translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")) * 4
        exchanges += [("Ann", f"Who left {word} in the {one}?"), ("Mara", f"Not me. {word} lay by the {two} {turn}.")]
    return exchanges


def made(*scenes: Scene, role: RoleSpec = MARA, settings: Settings = ALL) -> Dataset:
    return build(role, Material(scenes=scenes), settings)


def first(*lines: tuple[str, str] | Line, mode: Mode = "scene") -> Moment:
    """The last moment of one scene."""
    return made(scene(*lines), settings=Settings(held_out=0.0, recall=0.0, mode=mode, window=2)).train[-1]


# --- what was heard ---------------------------------------------------------------------------------------------------


def test_every_turn_becomes_a_moment() -> None:
    found = made(scene(("Ann", "Hello?"), ("MARA", "Evening."), ("Ben", "Cold."), ("Mara vell", "It is."))).train
    assert [(moment.name, moment.reply) for moment in found] == [("Mara Vell", "Evening."), ("Mara Vell", "It is.")]
    assert found[1].heard == (
        Line(name="Ann", text="Hello?"),
        Line(name="Mara Vell", text="Evening."),
        Line(name="Ben", text="Cold."),
    )
    assert (found[0].premise, found[0].persona) == ("A storm.", "Mara keeps the light.")


def test_a_premise_of_the_scene_wins() -> None:
    assert made(scene(("Ann", "Hm."), ("Mara", "Yes."), premise="A quay.")).train[0].premise == "A quay."


def test_whispers_to_others_are_unheard() -> None:
    told = Line(name="Ben", text="The key is here.", audience=("MARA", "Ann"))
    hidden = Line(name="Ben", text="Watch her.", audience=("Ann",))
    moment = first(("Ann", "Hello?"), hidden, told, ("Mara", "I see."))
    assert [line.text for line in moment.heard] == ["Hello?", "The key is here."]
    assert moment.heard[1].audience == ("MARA", "Ann")


def test_lines_of_one_speaker_are_joined() -> None:
    moment = first(("Ann", "Hello?"), ("Ann", "Anybody?"), ("", "Rain."), ("Mara", "Here."), ("MARA", "Sit down."))
    assert [(line.name, line.text) for line in moment.heard] == [("Ann", "Hello?\nAnybody?"), ("", "Rain.")]
    assert moment.reply == "Here.\nSit down."


def test_a_window_holds_the_last_lines() -> None:
    lines = (("Ann", "One."), ("Ben", "Two."), ("Mara", "Three."), ("Ben", "Four."), ("Mara", "Five."))
    assert [line.text for line in first(*lines, mode="window").heard] == ["Three.", "Four."]
    assert [line.text for line in first(*lines, mode="single").heard] == ["Four."]


def test_what_happens_counts_as_no_line() -> None:
    lines = [("Ann", "One."), ("", "Rain."), ("Ann", "Two."), ("Ben", "Three."), ("", "[He rises.]"), ("MARA", "Four.")]
    assert [line.text for line in first(*lines, mode="single").heard] == ["Three.", "[He rises.]"]
    assert [line.text for line in first(*lines, mode="window").heard] == ["Two.", "Three.", "[He rises.]"]


def test_merged_lines_keep_their_speakers() -> None:
    lines = (("安", "在吗？"), ("本", "好冷。"), ("Mara", "在。"), ("安", "那就好。"), ("Mara", "嗯。"))
    role = RoleSpec(id="mara", name="Mara", language="zh")
    found = made(scene(*lines), role=role, settings=Settings(held_out=0.0, recall=0.0, mode="merged")).train
    assert found[1].heard == (
        Line(name="众人", text="安:在吗？\n本:好冷。"),
        Line(name="Mara", text="在。"),
        Line(name="安", text="那就好。"),
    )
    assert found[1].language == "zh"


def test_a_first_line_needs_a_premise() -> None:
    opening = scene(("Mara", "The lamp is lit."), ("Ann", "Good."))
    assert made(opening).train[0].heard == ()
    bare = RoleSpec(id="mara", name="Mara")
    found = made(opening, scene(("Ann", "Cold?"), ("Mara", "No.")), role=bare)
    assert [moment.reply for moment in found.train] == ["No."]
    assert found.about.counts["left out: nothing heard"] == 1


def test_a_long_talk_is_heard_in_part() -> None:
    lines = [line for number in range(300) for line in talk(number)]
    found = made(scene(*lines), settings=Settings(held_out=0.0, recall=0.0, characters=500)).train
    assert len(found) == 300
    assert max(sum(len(line.text) for line in moment.heard) for moment in found) <= 500
    assert found[-1].heard[-1].text == lines[-2][1]


def test_a_long_reply_ends_with_a_sentence() -> None:
    told, cried = ("Mara", "A storm came. " * 200), ("Mara", "x" * 2000)
    found = made(scene(("Ann", "Well?"), told), scene(("Ann", "And?"), cried))
    assert [moment.reply for moment in found.train] == ["A storm came. " * 70 + "A storm came."]
    assert (found.about.counts["shortened"], found.about.counts["left out: reply too long"]) == (1, 1)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(WorkshopError, match=r"Mara Vell: nobody .*did you mean --as 'Mara Vel'"):
        made(scene(("Ann", "Hello?"), ("Mara Vel", "Yes.")))


def test_settings_beyond_their_limits_are_told() -> None:
    with pytest.raises(WorkshopError, match="--held-out"):
        Settings(held_out=0.9)


# --- what is held out -------------------------------------------------------------------------------------------------


def texts(moments: Sequence[Moment]) -> set[str]:
    return {text for moment in moments for text in (moment.reply, *(line.text for line in moment.heard))}


def split(*scenes: Scene) -> Dataset:
    return made(*scenes, settings=Settings(recall=0.0))


def test_scenes_are_held_out_whole() -> None:
    found = split(*(scene(*talk(number, turns=5)) for number in range(60)))
    assert 30 <= len(found.held_out) <= 38
    assert len(found.train) + len(found.held_out) == 300
    assert texts(found.train).isdisjoint(texts(found.held_out))
    assert {moment.scene for moment in found.train}.isdisjoint(moment.scene for moment in found.held_out)


def test_one_giant_scene_is_cut_with_gaps() -> None:
    found = split(scene(*(line for number in range(400) for line in talk(number))))
    lost = found.about.counts["left out: in a gap"]
    assert 30 <= len(found.held_out) <= 60
    assert 0 < lost <= 20
    assert len(found.train) + len(found.held_out) + lost == 400
    assert texts(found.train).isdisjoint(texts(found.held_out))
    assert sum(len(moment.heard) < 8 for moment in found.held_out) <= 4, "only where the scene itself begins"


def test_little_material_still_measures_something() -> None:
    found = split(scene(*talk(1, turns=12)))
    assert found.held_out
    assert len(found.train) >= 8
    assert split(scene(*talk(1, turns=4))).held_out == []


def test_more_material_moves_no_scene_to_training() -> None:
    some = [scene(*talk(number, turns=3)) for number in range(100)]
    before, after = split(*some), split(*some, *(scene(*talk(number, turns=3)) for number in range(100, 110)))
    held = {moment.scene for moment in before.held_out}
    assert len(held - {moment.scene for moment in after.held_out}) <= len(held) // 5


def test_the_same_material_gives_the_same_dataset(tmp_path: Path) -> None:
    scenes = [scene(*talk(number, turns=4)) for number in range(30)]
    one, two = (split(*scenes) for _ in range(2))
    assert write_dataset(tmp_path / "one", *one).digest == write_dataset(tmp_path / "two", *two).digest
    assert read_dataset(tmp_path / "one").held_out == one.held_out


def test_every_tenth_record_is_held_out() -> None:
    found = [Record(context=said(*talk(n)[:1]), reply=talk(n)[1][1]) for n in range(20)]
    dataset = build(MARA, Material(records=found), Settings(recall=0.0))
    assert [moment.reply for moment in dataset.held_out] == [found[9].reply, found[19].reply]
    assert len(dataset.train) == 18


def test_made_lines_are_never_measured() -> None:
    found = [Record(context=said(*talk(n)[:1]), reply=talk(n)[1][1], made_by="m" * (n > 4)) for n in range(20)]
    dataset = build(MARA, Material(records=found[:5], made=found[5:]), Settings(recall=0.0))
    marked_so = build(MARA, Material(records=found), Settings(recall=0.0))
    assert Counter(moment.origin for moment in dataset.train) == {"own": 5, "made": 15}
    assert marked_so.held_out == []
    assert Counter(moment.origin for moment in marked_so.train) == {"own": 5, "made": 15}


# --- duplicates and other voices --------------------------------------------------------------------------------------

LONG = "The lamp was burning when the ship went down, and nobody on the quay heard the bell, not even Edrin's sister"


def test_what_was_there_before_is_dropped() -> None:
    one, same = scene(("Ann", "Tell me."), ("Mara", LONG)), scene(("Ann", "tell me"), ("Mara", f"{LONG}!"))
    near = scene(("Ann", "Tell me."), ("Mara", f"{LONG} Ilse."))
    other = scene(("Ann", "Tell me."), ("Mara", "There is nothing to tell, so drink your tea and go to bed."))
    counts = made(one, same, near, other).about.counts
    assert (counts["left out: duplicates"], counts["left out: near-duplicates"], counts["train"]) == (1, 1, 2)


def test_a_held_out_reply_is_learnt_nowhere() -> None:
    scenes = [scene(*talk(number, turns=5)) for number in range(40)]
    held = split(*scenes).held_out
    repeated = [Record(context=said(("Ben", "Say it again.")), reply=moment.reply, made_by="m") for moment in held]
    found = build(MARA, Material(scenes=scenes, made=repeated), Settings(recall=0.0))
    assert found.about.counts["left out: like a held-out one"] == len(held)
    assert texts(found.train).isdisjoint(moment.reply for moment in held)


def test_chinese_texts_are_compared_too() -> None:
    text = "灯塔的灯一直亮着，船却沉了，码头上没有人听见钟声，连伊德林的妹妹也没有听见"
    known = Known([f"{text}。"])
    assert known.like(text.replace("，", ", ") + "!") == "duplicates"
    assert known.like(f"{text}过。") == "near-duplicates"
    assert known.like("潮水退了，明天早上我们就走过堤道回家去。") == ""


def test_other_voices_are_mixed_in_by_ratio() -> None:
    own = [scene(*talk(number)) for number in range(20)]
    general = [scene(("Lu", f"Is it {place}?"), ("Wen", f"No, not the {place} today.")) for place in PLACES]
    settings = Settings(held_out=0.0, recall=0.0, general_ratio=0.25, others=0.5)
    found = build(MARA, Material(scenes=own, general=iter(general)), settings)
    assert Counter(moment.origin for moment in found.train) == {"own": 20, "other": 10, "general": 5}
    assert {moment.name for moment in found.train if moment.origin == "general"} <= {"Lu", "Wen"}
    assert {moment.persona for moment in found.train if moment.origin != "own"} == {""}


# --- what is recalled -------------------------------------------------------------------------------------------------


def test_reminders_that_tell_the_reply_are_kept_back() -> None:
    scenes = [scene(*talk(number)) for number in range(10)]
    asked: list[Sequence[Line]] = []
    reply = scenes[0].lines[1].text

    def remind(lines: Sequence[Line]) -> Recalled:
        asked.append(lines)
        pages = (Passage(id="1", text=f"She said: {reply}"), Passage(id="2", text="Tides."))
        return Recalled(passages=pages, examples=(Example(before="?", text=reply), Example(before="Tea?", text="No.")))

    found = build(MARA, Material(scenes=scenes), Settings(held_out=0.0, recall=1.0), remind)
    assert len(asked) == 10
    assert [[each.id for each in moment.recalled.passages] for moment in found.train[:2]] == [["2"], ["1", "2"]]
    assert [len(moment.recalled.examples) for moment in found.train[:2]] == [1, 2]
    assert found.about.counts["with passages"] == 10


def test_only_a_share_is_reminded() -> None:
    scenes = [scene(*talk(number)) for number in range(100)]
    pages = Recalled(passages=(Passage(id="1", text="Tides."),))
    found = build(MARA, Material(scenes=scenes), Settings(held_out=0.0, recall=0.3), lambda lines: pages)
    assert 15 <= found.about.counts["with passages"] <= 45


def test_a_role_without_an_index_goes_on(tmp_path: Path) -> None:
    from chatroom.librarian.asking import Setup
    from chatroom.roles import read_role

    folder = write_role(tmp_path / "roles", "mara", extra='[knowledge]\nsources = ["wiki"]')
    (folder / "wiki").mkdir()
    (folder / "wiki" / "tides.md").write_text("# Tides\n\nThe tide comes twice a day.\n", "utf-8")
    role = read_role(folder, tmp_path / "models")
    remind = reminding(role, Setup(home=tmp_path / "var", embedder="none"))
    found = build(MARA, Material(scenes=[scene(*talk(1))]), Settings(held_out=0.0, recall=1.0), remind)
    assert (len(found.train), found.about.counts["without an index"]) == (1, 1)


# --- what is shown and kept -------------------------------------------------------------------------------------------


def renderer() -> Renderer:
    from chatroom.chat_template import ChatTemplate

    return Renderer(ChatTemplate(make_tokenizer(), ours=True))


async def test_an_example_is_what_a_room_serves(tmp_path: Path) -> None:
    """The prompt that the engine got at a table, and the one made of the same lines as a scene, have the same ids."""
    async with table(tmp_path, ("mara",), premise="A storm.") as room:
        ann, ben = await room.enter("Ann"), await room.enter("Ben")
        room.script("Evening.\n  Sit down.", "Hush.", "I hear it.")
        await room.say(ann, "Mara, are you there?")
        await room.say(ben, "Mara, the bell rings.", audience=frozenset({"mara", ben.id}))
        await room.say(ann, "Mara, what is it?")
        served, role = room.prompts[-1], room.room._cast.role("mara")
        log = [message for message in room.room.room.messages if not message.notice]
    spec = RoleSpec(id="mara", name=role.name, persona=role.persona, premise="A storm.")
    lines = [Line(name=m.author.name, text=m.text, audience=("Mara", "Ben") if m.audience else None) for m in log]
    assert [line.text.split()[0] for line in lines][1::2] == ["Evening.", "Hush.", "I"]
    served = replace(served, lines=tuple(line for line in served.lines if line.said))  # who came in is no scene's line
    template = renderer().template
    example = renderer().example(made(scene(*lines), role=spec).train[-1])
    assert example.ids == [*template.render(served).ids, *template.reply_ids("I hear it.", start=served.start)]
    assert len(served.tail) == 4


def test_an_example_equals_the_drafted_prompt() -> None:
    moment = first(("Ann", "Hello?"), ("Ben", "Cold."), ("Mara", "Evening."))
    heard = [
        Message(seq=at, id=str(at), author=Speaker(id=f"~{name}", name=name, kind="person"), text=text)
        for at, (name, text) in enumerate((("Ann", "Hello?"), ("Ben", "Cold.")))
    ]
    asked = context.Asked(id="mara", name="Mara Vell", persona=MARA.persona, words=words("en"))
    drafted = context.draft(asked, context.Scene(room="inn", premise="A storm.", words=words("en")), heard)
    made_so = renderer()
    counts = {text: len(made_so.template.line_ids(text)) for text in drafted.texts()}
    served = made_so.template.render(context.fit(drafted, counts, made_so.facts))
    example = made_so.example(moment)
    assert example.ids[: len(served.ids)] == served.ids
    assert example.learn == [False] * len(served.ids) + [True] * (len(example.ids) - len(served.ids))


def test_a_preview_marks_what_is_learnt() -> None:
    dataset, shown, tokenizer = made(*(scene(*talk(number)) for number in range(30))), renderer(), make_tokenizer()

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    reply = dataset.train[0].reply
    assert marked(shown.example(dataset.train[0]), decode).endswith(f"Mara Vell:⟦ {reply}<|end|>⟧")
    page = preview(dataset, shown, decode)
    assert page.count("⟦ ") - 1 == page.count("\n## ") == 20


def test_records_hold_only_what_all_heard() -> None:
    secret = Line(name="Ben", text="Hush.", audience=("Mara Vell",))
    lines = [("Ann", f"Line {number}?" if number % 2 else f"So {number}.") for number in range(6)]
    mixed = [part for at, (name, text) in enumerate(lines) for part in ((name, text), ("Ben", f"Hm {at}."))]
    found = records(made(scene(*mixed, secret, ("", "Thunder."), ("Ann", "Well?"), ("Mara", "Yes."))).train)
    assert [line.text for line in found[0].context] == ["Hm 4.", "Line 5?", "Hm 5.", "Well?"]
    assert records(made(scene(("Ann", "So."), secret, ("Mara", "Under the mat."))).train) == []


def test_a_damaged_row_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "scenes.jsonl"
    good = json.dumps({"lines": [{"name": "安", "text": "一\u2028二"}]}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + f"{good}\r\n\r\n".encode() + b"[" * 100_000)
    with pytest.raises(WorkshopError, match=r"scenes\.jsonl: line 3 is no scene"):
        list(read_rows(path, Scene))
    assert not holds_records(path)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A role on whose workbench scenes lie."""
    write_role(tmp_path / "roles", "mara")
    bench = tmp_path / "home" / "workshop" / "mara"
    bench.mkdir(parents=True)
    scenes = [scene(*talk(number, turns=5), premise="A storm.") for number in range(20)]
    (bench / "scenes.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(scenes))
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    return tmp_path


def test_a_dataset_is_built_from_the_workbench(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "build", "mara", "--recall", "0", "--export", "sharegpt"]) == 0
    folder = home / "home" / "workshop" / "mara" / "dataset"
    dataset = read_dataset(folder)
    assert len(dataset.train) + len(dataset.held_out) == 100
    assert (folder / "exports" / "dataset_info.json").is_file()
    assert "held out" in capsys.readouterr().out


def test_an_unknown_export_builds_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dataset", "build", "mara", "--recall", "0", "--export", "latex"])
    assert "sharegpt" in capsys.readouterr().err
    assert not (home / "home" / "workshop" / "mara" / "dataset").exists()


def test_what_is_learnt_becomes_its_lines(home: Path) -> None:
    path, build_it = home / "roles" / "mara" / "lines.jsonl", ["dataset", "build", "mara", "--recall", "0"]
    path.write_text("", "utf-8")
    for seed in ("1", "2"):
        assert main([*build_it, "--seed", seed]) == 0
        dataset = read_dataset(home / "home" / "workshop" / "mara" / "dataset")
        assert {record.reply for record in read_rows(path, Record)} == {moment.reply for moment in dataset.train}


def test_lines_of_others_are_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, build_it = home / "roles" / "mara" / "lines.jsonl", ["dataset", "build", "mara", "--recall", "0"]
    written = Record(context=said(("Wen", "Is there soup?")), reply="Pell has soup.", made_by="m")
    path.write_bytes(msgspec.json.encode(written) + b"\n")
    assert main(build_it) == 0
    assert list(read_rows(path, Record)) == [written]
    assert "--lines" in capsys.readouterr().err
    assert main([*build_it, "--lines"]) == 0
    replaced = list(read_rows(path, Record))
    assert len(replaced) > 1
    assert written in replaced


def test_lines_are_not_written_over_their_source(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "home" / "workshop" / "mara" / "scenes.jsonl").unlink()
    path = home / "roles" / "mara" / "lines.jsonl"
    kept = b"".join(
        msgspec.json.encode(Record(context=said(*talk(n)[:1]), reply=talk(n)[1][1])) + b"\n" for n in range(20)
    )
    path.write_bytes(kept)
    assert main(["dataset", "build", "mara", "--recall", "0"]) == 0
    assert main(["dataset", "build", "mara", "--recall", "0", "--lines"]) == 1
    assert "leave --lines out" in capsys.readouterr().err
    assert path.read_bytes() == kept


def test_what_models_wrote_is_learnt_too(home: Path) -> None:
    folder = home / "home" / "workshop" / "mara" / "made"
    folder.mkdir()
    written = Record(
        context=said(("Wen", "Is there soup?")), reply="Pell has soup, and bread to go with it.", made_by="m"
    )
    (folder / "pages.jsonl").write_bytes(msgspec.json.encode(written) + b"\n")
    assert main(["dataset", "build", "mara", "--recall", "0"]) == 0
    dataset = read_dataset(folder.parent / "dataset")
    assert [moment.reply for moment in dataset.train if moment.origin == "made"] == [written.reply]


def test_a_role_without_material_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "home" / "workshop" / "mara" / "scenes.jsonl").unlink()
    assert main(["dataset", "build", "mara"]) == 1
    assert "corpus read" in capsys.readouterr().err
