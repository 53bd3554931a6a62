"""What BM25 counts: what is asked meets what is stored, in several scripts."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge.language.terms import terms

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("lamps", "The Lamp"),
        ("winding", "She winds it"),
        ("Mara's brother", "MARA’S BROTHERS"),
        ("the keepers' log", "keeper logs"),
        ("cafe", "the café"),
        ("lighthouse", "a light-house"),
        ("light house", "a light-house"),
        ("O'Brien", "OBrien"),
        ("1000 crowns", "１，０００ crowns"),
        ("old mill", "old_mill"),
        ("灯塔", "她在灯塔里。"),
        ("战国无双", "《战国无双3》的角色"),
        ("安吉拉", "你见过安吉拉吗？"),
        ("塞尔特米尔", "去塞尔特米尔的船"),
        ("ランタン", "青いランタンを持つ"),
        ("등대", "등대에 갔다"),
        ("маяк", "Маяк горит"),
        ("हिन्दी", "यह हिन्दी है"),
        ("ประภาคาร", "ไปประภาคารกัน"),
    ],
)
def test_what_is_asked_meets_what_is_stored(asked: str, stored: str) -> None:
    assert terms(asked)
    assert set(terms(asked)) <= set(terms(stored))


@pytest.mark.parametrize(
    "text", ["", " \n", "?!…", "What is it, and who are you?", "I don't; you'd, we're", "这是什么？", "你是谁呢", "😀"]
)
def test_function_words_are_not_counted(text: str) -> None:
    assert terms(text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("142 steps", "118 steps"), ("3.5", "35"), ("3-5", "35"), ("v2", "v3"), ("Mara", "Mira"), ("がく", "かく")],
)
def test_different_things_have_different_terms(one: str, other: str) -> None:
    assert terms(one) != terms(other)


def test_each_occurrence_is_counted() -> None:
    assert terms("Bell, bells and the bell's bell") == ["bell"] * 4
    assert terms("灯塔，灯塔").count("灯塔") == 2


def test_a_long_chinese_word_holds_its_parts() -> None:
    found = terms("中华人民共和国")
    assert {"中华", "人民", "共和国", "中华人民共和国"} <= set(found)


def test_strings_that_are_no_words_are_left_out() -> None:
    assert terms("lamp " + "x" * 1000) == ["lamp"]


def test_threads_find_the_same_terms() -> None:
    texts = [f"The keepers wound lamp {number} 第{number}盏灯亮了" for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(terms, texts)) == [terms(text) for text in texts]


def test_chinese_leaves_no_file_and_no_word(tmp_path: Path) -> None:
    code = "from knowledge.language.terms import terms; assert '灯塔' in terms('灯塔')"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_english_needs_no_chinese_dictionary() -> None:
    code = (
        "import sys; from knowledge.language.terms import terms; terms('the lamps'); assert 'jieba' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
