"""Reading a corpus: which format reads a file, clean scenes, an account of everything, and a language."""

from pathlib import Path

import pytest

from chatroom.errors import PluginError
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError
from finetune.reading import (
    Report,
    format_of,
    formats,
    language_of,
    read_corpus,
    read_scenes_file,
    write_scenes,
)
from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile

NOVEL = "“早。”陆九道。\n“早。”沈雁道。\n陆九道：“走吧。”\n沈雁道：“也好。”\n"


def write(folder: Path, name: str, data: str | bytes = NOVEL) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def files_of(report: Report) -> list[str]:
    return [file.file for file in report.files]


def spoken(*lines: str) -> list[Scene]:
    return [Scene(lines=[Line(name="A", text=text) for text in lines])]


def test_formats_are_the_files_there() -> None:
    assert "novel" in formats()
    assert "base" not in formats()


def test_prose_is_read_as_a_novel(tmp_path: Path) -> None:
    path = write(tmp_path, "book.TXT", "雪下了一夜，天亮时停了。\n“早。”陆九道。\n“早。”沈雁道。\n")
    assert format_of(SourceFile(name="book.TXT", path=path)) == "novel"


def test_a_chat_that_suits_scripts_is_scrubbed(tmp_path: Path) -> None:
    lines = ("Ines: home yet?", "Bram: nearly", "Ines: ring me on +44 7700 900123", "Bram: kettle first")
    data = "".join(f"[12/03/2024, 21:0{minute}:11] {line}\n" for minute, line in enumerate(lines))
    path = write(tmp_path, "chat.txt", data)
    assert format_of(SourceFile(name="chat.txt", path=path)) == "whatsapp"


def test_an_unknown_file_names_the_remedy(tmp_path: Path) -> None:
    for name, data in (("photo.xyz", b"\x89\x00"), ("empty.txt", b"")):
        path = write(tmp_path, name, data)
        with pytest.raises(UnreadableError) as caught:
            format_of(SourceFile(name=name, path=path))
        assert name in str(caught.value)
        assert "--format" in str(caught.value)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError):
        read_corpus([tmp_path], format="poem")


def test_files_and_folders_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, "a/one.txt")
    two = write(tmp_path, "b/two.txt")
    told: list[str] = []
    reading = read_corpus([tmp_path / "a", two, tmp_path / "b"], format="novel", progress=told.append)
    assert told == files_of(reading.report) == ["a/one.txt", "b/two.txt"]
    assert reading.report.scenes == len(reading.scenes) == 2
    assert reading.report.speakers == {"沈雁": 4, "陆九": 4}
    assert not reading.report.private


def test_the_account_of_a_file_adds_up(tmp_path: Path) -> None:
    report = read_corpus([write(tmp_path, "one.txt", NOVEL + "***\n")], format="novel").report
    (file,) = report.files
    assert (file.format, file.scenes, file.lines, file.characters) == ("novel", 1, 4, 10)
    assert [(tally.reason, tally.count) for tally in file.notes] == [("spoken by rule", 4)]
    assert len(file.notes[0].places) == 3
    assert [(tally.count, tally.places) for tally in file.skipped] == [(1, ("line 5",))]
    assert (report.lines, report.characters) == (4, 10)


def test_a_bad_file_costs_only_itself(tmp_path: Path) -> None:
    write(tmp_path, "bad.txt", bytes(range(256)) * 20)
    write(tmp_path, "good.txt")
    (tmp_path / "locked.txt").mkdir()
    reading = read_corpus([tmp_path, tmp_path / "gone.txt"], format="novel")
    assert len(reading.scenes) == 1
    assert {file.file for file in reading.report.errors} == {"bad.txt", "gone.txt"}


def test_a_link_never_leads_out(tmp_path: Path) -> None:
    secret = write(tmp_path, "elsewhere/secret.txt")
    write(tmp_path, "mine/good.txt")
    (tmp_path / "mine/link.txt").symlink_to(secret)
    report = read_corpus([tmp_path / "mine"], format="novel").report
    assert [file.file for file in report.errors] == ["link.txt"]
    assert report.scenes == 1


def test_no_path_is_no_crash() -> None:
    assert read_corpus([]).scenes == ()


def test_names_and_texts_come_out_clean(tmp_path: Path) -> None:
    rows = (
        '{"speaker": " Ann\\u200b  Lee", "text": "a\\r\\nb\\u2029c\\u0000 "}\n'
        f'{{"speaker": "{"N" * 90}", "text": "x"}}\n'
        '{"speaker": "B", "text": "\\ufeff"}\n'
    )
    reading = read_corpus([write(tmp_path, "rows.jsonl", rows)], format="table")
    lines = [line for scene in reading.scenes for line in scene.lines]
    assert lines == [Line(name="Ann Lee", text="a\nb\nc"), Line(name="N" * 39 + "…", text="x")]


def test_scenes_are_written_and_read(tmp_path: Path) -> None:
    scenes = [Scene(lines=[Line(name="沈雁", text="a\u2028b\nc", audience=("陆九",))], title="一"), *spoken("x")]
    write_scenes(tmp_path / "new/scenes.jsonl", scenes)
    assert read_scenes_file(tmp_path / "new/scenes.jsonl") == scenes
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scenes.jsonl"]


@pytest.mark.parametrize("row", ['{"lines": 3}', "{", "[" * 100_000, '{"lines": [{"name": "A"}]}'])
def test_a_broken_scene_names_its_line(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, "scenes.jsonl", f'{{"lines":[]}}\n\n{row}\n')
    with pytest.raises(WorkshopError, match="line 3"):
        read_scenes_file(path)


def test_missing_scenes_are_told() -> None:
    with pytest.raises(WorkshopError, match="read the corpus"):
        read_scenes_file(Path("nowhere/scenes.jsonl"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你今天怎么来得这么晚？OK，我知道了。", "zh"),
        ("I don't know what you are talking about, and that is all there is to it.", "en"),
        ("今日はとても寒いですね。早く帰りましょう。", "ja"),
        ("오늘은 날씨가 정말 좋네요.", "ko"),
        ("Я не знаю, о чём вы говорите.", "ru"),
        ("Я не знаю, що їй сказати, і він її більше не бачив.", ""),
        ("Ich weiß nicht, was du damit sagen willst, mein Freund.", ""),
        ("Je ne sais pas ce que vous voulez dire.", ""),
        ("12345 !!!", ""),
    ],
)
def test_languages_are_told_by_their_letters(text: str, language: str) -> None:
    assert language_of(spoken(text)) == language
