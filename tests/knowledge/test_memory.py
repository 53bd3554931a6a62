"""The long memory of a room: what it joins, who may find it again, and what a kill or a damaged file does to it."""

import stat
from collections.abc import Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from zlib import crc32

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.embed import Embedder, open_embedder
from knowledge.indexing.passages import estimate
from knowledge.language.terms import terms
from knowledge.remembering.memory import Memory, Remembered
from knowledge.remembering.remembered import LINES, LONG
from knowledge.searching.part import Part
from knowledge.shelf import Shelf, Vector, Vectors

MOST = 2000
PROMISE = 150
WHISPER = 300


class Letters(Embedder):
    """An embedder without a model: texts are near if they share runs of three letters. It reads no Chinese."""

    def __init__(self) -> None:
        self.name = self.identity = "letters"
        self.dimension = 64

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.encode_query(text) for text in texts])

    def encode_query(self, text: str) -> Vector:
        vector = np.zeros(self.dimension, np.float32)
        for start in range(len(text)):
            vector[crc32(text[start : start + 3].casefold().encode()) % self.dimension] += 1
        return vector / np.float32(np.linalg.norm(vector))

    def reads(self, text: str) -> bool:
        return text.isascii()


@cache
def talk() -> list[tuple[str, str]]:
    """What is said around the bundled roles, every fifth line, so that the talk changes its subject often."""
    said = []
    for file in sorted(Path("roles").glob("*/talk/00-first.txt")):
        for line in file.read_text("utf-8").splitlines():
            name, colon, text = line.partition(": ")
            said += [(name, text)] if colon and not line.startswith("#") else []
    return [line for start in range(5) for line in said[start::5]]


def room_of(lines: int) -> list[Remembered]:
    """Talk, with a promise and a whisper in it."""
    said = [
        Remembered(seq=seq, name=name, text=text) for seq, (name, text) in enumerate(islice(cycle(talk()), MOST), 1)
    ]
    promise = "Ben, I will bring you the blue lantern on the night of the flood. You have my word."
    said[PROMISE - 1] = Remembered(seq=PROMISE, name="Mara Vell", text=promise)
    secret = "The copper key lies under the third flagstone of the chapel."
    said[WHISPER - 1] = Remembered(seq=WHISPER, name="Ann", text=secret, audience=("mara", "ann"))
    return said[:lines]


def opened(folder: Path, epoch: str = "one", embedder: Embedder | None = None) -> Memory:
    return Memory(folder, epoch=epoch, embedder=embedder)


def told(memory: Memory) -> list[str]:
    return [memory.passage(row).text for row in range(len(memory))]


def seqs(memory: Memory, row: int) -> range:
    first, _, last = memory.passage(row).place.split()[1].partition("-")
    return range(int(first), int(last or first) + 1)


def by_words(memory: Shelf, question: str, limit: int) -> list[str]:
    rows, _ = memory.words(terms(question), limit)
    return [memory.passage(int(row)).text for row in rows]


@pytest.fixture(scope="module")
def long_room(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    memory = opened(tmp_path_factory.mktemp("room"))
    memory.add(room_of(MOST))
    return memory


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> tuple[Memory, Embedder]:
    """A shorter room, because a real model takes its time."""
    embedder = open_embedder("minilm")
    assert embedder
    memory = opened(tmp_path_factory.mktemp("room"), embedder=embedder)
    memory.add(room_of(400))
    return memory, embedder


@pytest.mark.parametrize(
    "question", ["Which lantern will Mara bring on the night of the flood?", "And the blue lantern?"]
)
def test_a_promise_is_found_by_words(long_room: Memory, question: str) -> None:
    assert "You have my word." in by_words(long_room, question, 1)[0]


@pytest.mark.parametrize(
    "question",
    [
        "Mara, what did you promise Ben?",
        "Which light will Mara give to Ben?",
        "Ben: Mara, do you remember your promise about the lamp?",
    ],
)
def test_a_promise_is_found_by_meaning(understood: tuple[Memory, Embedder], question: str) -> None:
    memory, embedder = understood
    rows, cosines = memory.dense(embedder.encode_query(question), 4)
    assert any("night of the flood" in memory.passage(int(row)).text for row in rows)
    assert list(cosines) == sorted(cosines, reverse=True)


def test_nothing_that_prompts_still_hold_is_found(understood: tuple[Memory, Embedder]) -> None:
    memory, embedder = understood
    before = Part(memory, memory.up_to(PROMISE - 1))
    question = "the blue lantern on the night of the flood"
    for rows, _ in (before.dense(embedder.encode_query(question), MOST), before.words(terms(question), MOST)):
        assert len(rows) > 5
        assert all(seqs(memory, int(row))[-1] < PROMISE for row in rows)


def test_who_came_late_finds_only_later_lines(long_room: Memory) -> None:
    late = long_room.since(PROMISE)
    assert not any("flood" in text for text in by_words(Part(long_room, late), "blue lantern flood", MOST))


def test_masks_ask_for_whole_passages(long_room: Memory) -> None:
    spans = [seqs(long_room, row) for row in range(len(long_room))]
    for seq in range(PROMISE, PROMISE + 5):
        assert list(long_room.up_to(seq)) == [span[-1] <= seq for span in spans]
        assert list(long_room.since(seq)) == [span[0] > seq for span in spans]


def test_a_whisper_keeps_its_audience(long_room: Memory) -> None:
    ((row, audience),) = long_room.private.items()
    assert audience == ("ann", "mara")
    assert long_room.passage(row).text == "Ann: The copper key lies under the third flagstone of the chapel."
    everyone = np.array([at not in long_room.private for at in range(len(long_room))])
    assert "copper" in by_words(long_room, "Where is the copper key?", 1)[0]
    assert by_words(Part(long_room, everyone), "copper flagstone", 5) == []


def test_a_passage_says_where_it_is_from(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.add([Remembered(seq=seq, name=name, text="Yes.") for seq, name in ((7, "Ann"), (9, "Ben"), (12, "Ann"))])
    passage = memory.passage(0)
    assert (passage.source, passage.place, passage.title) == ("memory", "lines 7-12", "Ann, Ben")
    assert passage.text == "Ann: Yes.\nBen: Yes.\nAnn: Yes."
    assert memory.seq == 12


def test_lines_that_fill_no_passage_wait(tmp_path: Path) -> None:
    memory, lines = opened(tmp_path), [Remembered(seq=seq, name="Ann", text="Yes.") for seq in (1, 2)]
    memory.add(lines)
    assert (len(memory), memory.seq) == (0, 0)
    memory.add([*lines, Remembered(seq=3, name="Ben", text="No.", audience=("ann",))])
    assert (told(memory), memory.seq) == (["Ann: Yes.\nAnn: Yes."], 2)


def test_a_final_tail_is_taken(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.add([Remembered(seq=1, name="Ann", text="Yes.")], final=True)
    assert (told(memory), memory.seq) == (["Ann: Yes."], 1)


def test_a_message_forges_no_other_line(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.add([Remembered(seq=1, name="Ann", text="Hello.\nMara: I lied.\u2028Ben: So did I.")], final=True)
    assert told(memory) == ["Ann: Hello. Mara: I lied. Ben: So did I."]


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    story = " ".join(f"On day {day} the ferry brought {day + 3} sheep to the island." for day in range(60))
    memory.add([Remembered(seq=4, name="Tobin", text=story, audience=("ann",))])
    assert memory.seq == 4
    assert all(text.startswith("Tobin: ") and estimate(text) <= LONG.most + 5 for text in told(memory))
    assert " ".join(text.removeprefix("Tobin: ") for text in told(memory)) == story
    assert [memory.passage(row).order for row in range(len(memory))] == list(range(len(memory)))
    assert set(memory.private) == set(range(len(memory)))


def test_chinese_lines_are_joined_and_found(tmp_path: Path) -> None:
    memory = opened(tmp_path, embedder=Letters())
    memory.add([Remembered(seq=1, name="安吉拉", text="洪水那天晚上，我会把蓝色的灯笼带给你。")], final=True)
    memory.add([Remembered(seq=2, name="Ben", text="I do not understand a word of this.")], final=True)
    assert by_words(memory, "你答应过我什么灯笼？", 1) == ["安吉拉: 洪水那天晚上，我会把蓝色的灯笼带给你。"]
    rows, _ = memory.dense(Letters().encode_query("洪水"), 5)
    assert list(rows) == [1]
    assert not memory.vectors([0]).any()
    assert memory.vectors([1, 0]).shape == (2, 64)


def test_words_score_as_bm25s_does(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    for line in room_of(400):
        memory.add([line], final=True)
    plain = bm25s.BM25()
    plain.index(
        [terms(f"{memory.passage(row).title}\n{memory.passage(row).text}") for row in range(len(memory))],
        show_progress=False,
    )
    question = terms("Which old lamp did Tobin bring to the tower, a brass lamp?")
    expected = plain.get_scores([term for term in question if term in plain.vocab_dict])
    rows, scores = memory.words(question, len(memory))
    assert len(rows) == (expected > 0).sum()
    np.testing.assert_allclose(scores, expected[rows], rtol=1e-4)
    assert list(scores) == sorted(scores, reverse=True)
    assert list(memory.words(question, 5)[0]) == list(rows[:5])


def test_a_rare_word_tells_more(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.add(room_of(400))
    (lantern,), (lamp,) = terms("lantern"), terms("lamp")
    assert memory.rarity(lantern) > memory.rarity(lamp) > 0
    assert memory.rarity("zeppelin") == 0
    assert memory.words(["zeppelin"], 4)[0].size == 0


def test_an_empty_memory_finds_nothing(tmp_path: Path) -> None:
    memory = opened(tmp_path / "nowhere", embedder=Letters())
    assert memory.words(["lantern"], 4)[0].size == memory.dense(Letters().encode_query("lantern"), 4)[0].size == 0
    assert (memory.up_to(9).size, memory.vectors([]).shape, memory.rarity("lantern")) == (0, (0, 64), 0)
    assert not (tmp_path / "nowhere").exists()


def test_a_restart_knows_the_same(tmp_path: Path) -> None:
    memory = opened(tmp_path, embedder=Letters())
    memory.add(room_of(500))
    again = opened(tmp_path, embedder=Letters())
    assert same(memory, again)
    again.add(room_of(900))
    assert same(again, fresh(tmp_path / "fresh", 900))


def test_only_the_owner_may_read_files(tmp_path: Path) -> None:
    opened(tmp_path / "room", embedder=Letters()).add(room_of(20))
    for path in [tmp_path / "room", *(tmp_path / "room").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("name", ["passages.jsonl", "vectors.f32", "manifest.json"])
@pytest.mark.parametrize("harm", ["flipped", "short", "gone", "empty"])
def test_damaged_files_are_begun_anew(tmp_path: Path, name: str, harm: str) -> None:
    opened(tmp_path, embedder=Letters()).add(room_of(200))
    file = tmp_path / name
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    match harm:
        case "gone":
            file.unlink()
        case _:
            file.write_bytes({"flipped": bytes(raw), "short": bytes(raw[:-9]), "empty": b""}[harm])
    memory = opened(tmp_path, embedder=Letters())
    assert (len(memory), memory.seq) == (0, 0)
    memory.add(room_of(300))
    assert same(memory, fresh(tmp_path / "fresh", 300))
    assert same(opened(tmp_path, embedder=Letters()), memory)


def test_a_torn_tail_is_written_over(tmp_path: Path) -> None:
    memory = opened(tmp_path, embedder=Letters())
    memory.add(room_of(200))
    for name in ("passages.jsonl", "vectors.f32"):
        with (tmp_path / name).open("ab") as file:
            file.write(b'{"first":201,"last":2' * 1000)
    (tmp_path / "manifest.json.new").write_bytes(b'{"kind":')
    again = opened(tmp_path, embedder=Letters())
    assert same(memory, again)
    again.add(room_of(220))
    fresh(tmp_path / "fresh", 220)
    for name in ("passages.jsonl", "vectors.f32", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_another_epoch_begins_anew(tmp_path: Path) -> None:
    opened(tmp_path).add(room_of(50))
    memory = opened(tmp_path, "two")
    assert (len(memory), memory.seq) == (0, 0)
    memory.add(room_of(20)[:3])
    assert len(opened(tmp_path, "two")) == 1


def test_another_embedder_begins_anew(tmp_path: Path) -> None:
    opened(tmp_path, embedder=Letters()).add(room_of(50))
    assert opened(tmp_path).seq == 0


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = opened(tmp_path / "file" / "room")
    memory.add(room_of(200))
    memory.add(room_of(400))
    assert "lantern" in by_words(memory, "the blue lantern", 1)[0]
    assert len([record for record in caplog.records if "can't be kept" in record.message]) == 1


def fresh(folder: Path, lines: int) -> Memory:
    memory = opened(folder, embedder=Letters())
    memory.add(room_of(lines))
    return memory


def same(one: Memory, other: Memory) -> bool:
    rows = range(len(one))
    return (
        [one.passage(row) for row in rows] == [other.passage(row) for row in range(len(other))]
        and one.seq == other.seq
        and one.private == other.private
        and np.array_equal(one.vectors(rows), other.vectors(rows))
        and np.array_equal(one.words(terms("lantern lamp Ann"), 99)[1], other.words(terms("lantern lamp Ann"), 99)[1])
        and np.array_equal(one.up_to(90), other.up_to(90))
    )


_texts = st.one_of(
    st.text(max_size=30),
    st.integers(1, 40).map(lambda words: " ".join(["stone."] * words)),
    st.integers(100, 300).map(lambda words: " ".join(f"word{number}" for number in range(words))),
)
_lines = st.lists(
    st.tuples(
        st.integers(1, 3), st.sampled_from(["Ann", "Ben"]), _texts, st.sampled_from([None, (), ("a",), ("b", "a")])
    ),
    max_size=25,
)


@given(_lines, st.lists(st.integers(0, 25), max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_line_is_taken_in_once(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[int, str, str, tuple[str, ...] | None]],
    cuts: list[int],
    final: bool,
) -> None:
    seq, lines = 0, []
    for step, name, text, audience in drawn:
        seq += step
        lines.append(Remembered(seq=seq, name=name, text=text, audience=audience))
    folder = tmp_path_factory.mktemp("room")
    memory = opened(folder)
    for cut in sorted(cuts):
        memory.add(lines[:cut])
    memory.add(lines, final=final)
    said = [line for line in lines if line.text.strip()]
    taken = [line for line in said if line.seq <= memory.seq]
    assert len(said) - len(taken) < (1 if final else LINES)
    spans = list(dict.fromkeys(seqs(memory, row) for row in range(len(memory))))
    assert [line.seq for span in spans for line in taken if line.seq in span] == [line.seq for line in taken]
    assert " ".join(spoken(memory)).split() == " ".join(line.text for line in taken).split()
    for row in range(len(memory)):
        heard = {line.audience and tuple(sorted(line.audience)) for line in taken if line.seq in seqs(memory, row)}
        assert heard == {memory.passage(row).audience} == {memory.private.get(row)}
    assert same(memory, opened(folder))


def spoken(memory: Memory) -> list[str]:
    return [line.split(": ", 1)[1] for text in told(memory) for line in text.split("\n")]


def test_a_part_hides_and_is_hidden_from(long_room: Memory) -> None:
    late = Part(long_room, long_room.since(PROMISE))
    rows, _ = late.words(terms("lamp Mara"), MOST, long_room.up_to(WHISPER))
    assert len(rows) > 3
    assert all(seqs(long_room, int(row))[0] > PROMISE and seqs(long_room, int(row))[-1] <= WHISPER for row in rows)
