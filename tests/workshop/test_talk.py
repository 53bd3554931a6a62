"""Hand-written talk: what a file says, what each reading of it may change, and what stays held out."""

import random
from collections import Counter
from pathlib import Path

import pytest

from finetune.base.frames import Frame, filled, filling, read_frames
from finetune.base.role_data import Table, is_held_out
from finetune.base.talk import GUESTS, first_way, read_talk, said, told, typed
from finetune.dialogue import Line, Record, Scene, addressed
from finetune.errors import WorkshopError

ROOT = Path(__file__).parents[2]
ROLES = {"Mara": "Mara Vell"}
TALK = """# greetings
Ann: {Hello|Hi}, Mara{!|.}
Mara: Evening, Ann. Shut the door.

Ben: who are you
Mara: I keep the light, Ben.
Ann: She does, Ben.
"""
FRAME = """# a ship
ship = the Hare | the Patience
town = Anner | Brill
@ <Ship>: <Ship> came from <town>.
? where was <ship> from{?|}
Mara: From <town>.
Tobin: <Town>, captain!
! who built her
Mara: Nobody told me.
"""


def talk(folder: Path, text: str = TALK) -> list[Scene]:
    (folder / "one.txt").write_text(text, encoding="utf-8")
    return read_talk(folder, ROLES)


def frames(folder: Path, text: str = FRAME) -> list[Frame]:
    (folder / "one.txt").write_text(text, encoding="utf-8")
    return read_frames(folder)


def test_scenes_stand_between_blank_lines(tmp_path: Path) -> None:
    first, second = talk(tmp_path)
    assert [line.name for line in first.lines] == ["Ann", "Mara Vell"]
    assert len(second.lines) == 3


def test_a_line_without_speaker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"one\.txt, line 2"):
        talk(tmp_path, "Ann: Hello.\njust words\n")


def test_whoever_is_answered_stands_for_user() -> None:
    told_to = [Line(name="Ann", text="I am {{user}}."), Line(name="Ben", text="Who is that?")]
    record = addressed(Record(context=told_to, reply="Ask her, {{user}}."))
    assert [line.text for line in record.context] == ["I am Ben.", "Who is that?"]
    assert record.reply == "Ask her, Ben."
    plain = Record(context=told_to[1:], reply="Ann.")
    assert addressed(plain) is plain


def test_every_way_of_saying_comes_up() -> None:
    rng = random.Random(1)
    assert Counter(said("{a|b} {c|}", rng) for _ in range(200)).keys() == {"a c", "a", "b c", "b"}
    assert first_way("{a|b} {c|}") == "a c"


def test_guests_change_names_everywhere(tmp_path: Path) -> None:
    scene = talk(tmp_path)[1]
    lines = told(scene, ["Mara Vell"], random.Random(3)).lines
    ben, mara, ann = (line.name for line in lines)
    assert mara == "Mara Vell"
    assert ben in GUESTS
    assert ann in GUESTS
    assert ben != ann
    assert lines[1].text == f"I keep the light, {ben}."


def test_the_same_source_tells_the_same(tmp_path: Path) -> None:
    scene = talk(tmp_path)[0]
    assert told(scene, [], random.Random(5)) == told(scene, [], random.Random(5))


def test_hasty_typing_keeps_the_letters() -> None:
    rng = random.Random(2)
    for text in ("Who are you?", "I don't know what you mean.", "No"):
        for _ in range(50):
            letters = Counter(text.lower().replace("'", "").rstrip(".?"))
            assert Counter(typed(text, rng).lower().replace("'", "").rstrip(".?")) == letters


def test_a_frame_fills_passage_and_answer_alike(tmp_path: Path) -> None:
    (frame,) = frames(tmp_path)
    values = filling(frame, random.Random(1))
    passage = filled(frame.passages[0][1], values, random.Random(1))
    answer = filled(frame.questions[0].answers["Tobin"], values, random.Random(1))
    assert answer.removesuffix(", captain!") in passage
    assert passage[0].isupper()
    assert [question.answered for question in frame.questions] == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [("ship = a\n@ X: <boat> sank.\n", "no slot 'boat'"), ("ship = a\nnonsense\n", "no line of a frame")],
)
def test_a_faulty_frame_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WorkshopError, match=said):
        frames(tmp_path, text)


def test_what_is_held_out_hangs_on_words_alone() -> None:
    scenes = [Scene(lines=[Line(name="Ann", text=f"line {number}")], source=f"{number}") for number in range(400)]
    held = [scene for scene in scenes if is_held_out(scene)]
    assert 5 < len(held) < 40
    assert all(is_held_out(Scene(lines=scene.lines, source="elsewhere")) for scene in held)


def test_all_bundled_talk_reads() -> None:
    table = Table.read([ROOT / "roles" / id_ for id_ in ("mara", "tobin", "ilse", "narrator")], ROOT / "rooms")
    assert len(table.scenes) > 4000
    replies = Counter(role.id for scene in table.scenes for _, role in table.turns(scene))
    assert min(replies.values()) > 1000
    held = {tuple(line.text for line in scene.lines) for scene in table.held_out}
    assert not any(tuple(line.text for line in scene.lines) in held for scene in table.scenes)


def test_all_bundled_frames_fill() -> None:
    rng = random.Random(1)
    for frame in read_frames(ROOT / "models" / "hearth" / "frames"):
        values = filling(frame, rng)
        texts = [text for pair in frame.passages for text in pair]
        texts += [text for question in frame.questions for text in (question.text, *question.answers.values())]
        assert not any("<" in filled(text, values, rng) for text in texts), frame.source
