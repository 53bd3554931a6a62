"""The house stays small enough to be read: lengths of files and functions, a docstring at every door."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for part in ("chatroom", "knowledge", "finetune", "cards", "evals", "quantize", "commands")
    for path in (ROOT / part).rglob("*.py")
)
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
EXCEPTIONS: dict[str, str] = {}
"""File or file:function → why it may be longer."""


def functions() -> Iterator[tuple[str, int]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_introduces_itself(path: Path) -> None:
    text = path.read_text("utf-8")
    assert str(path.relative_to(ROOT)) in EXCEPTIONS or len(text.splitlines()) <= LONGEST_FILE
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module opens with what it is"


def test_functions_are_short() -> None:
    lengths = dict(functions())
    assert [name for name, length in lengths.items() if length > LONGEST_FUNCTION and name not in EXCEPTIONS] == []
    assert median(lengths.values()) <= 10
    assert quantiles(lengths.values(), n=10)[-1] <= 30
