"""What the documents say is there is there, and the reference pages say what the code says."""

import ast
import re
from pathlib import Path

import pytest

from chatroom.frames import END_CODES, ERROR_CODES
from docs.generate import PAGES

ROOT = Path(__file__).parents[2]
QUOTED = (
    r"`((?:chatroom|knowledge|finetune|cards|commands|models|roles|rooms|benchmarks|docs|tests)/[\w./-]*|launch\.py)`"
)
LINKED = r"\]\(((?!https?:)[^)#]+)\)"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name](), "run: make docs"


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = [*re.findall(QUOTED, text), *re.findall(LINKED, text)]
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


def codes_raised(*folders: str) -> set[str]:
    """Codes that appear as `RefusedError("code", …)` or as `code="…"` where an error is made."""
    found = set()
    for path in (path for folder in folders for path in sorted((ROOT / "chatroom").glob(folder))):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name == "RefusedError" and call.args and isinstance(call.args[0], ast.Constant):
                found.add(call.args[0].value)
            if name in {"FrameError", "EngineError"}:
                given = (word.value for word in call.keywords if word.arg == "code")
                found |= {value.value for value in given if isinstance(value, ast.Constant)}
    return found


def test_every_code_on_the_wire_is_documented() -> None:
    raised = codes_raised("*.py", "server/*.py", "history/*.py", "engines/**/*.py")
    assert {"blank", "engine_lost", "bad_json"} <= raised <= {*ERROR_CODES, *END_CODES}
