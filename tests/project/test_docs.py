"""What the documents say is there is there, and the reference pages say what the code says."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES

ROOT = Path(__file__).parents[2]
PLACES = re.compile(r"`((?:chatroom|finetune|models|roles|rooms|benchmarks|docs|tests|quantize)/[\w./-]*|launch\.py)`")


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name](), "run: make docs"


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = PLACES.findall((ROOT / page).read_text("utf-8"))
    assert named
    assert [place for place in named if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_picture_of_a_readme_exists(page: str) -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / page).read_text("utf-8"))
    assert pictures
    assert [picture for picture in pictures if not (ROOT / picture).exists()] == []


def test_both_readmes_show_the_same_commands() -> None:
    blocks = [
        re.findall(r"^(?:make|python|printf|\.venv/bin/python) .*$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        for page in ("README.md", "README.zh-CN.md")
    ]
    assert blocks[0] == blocks[1]
