"""The table of CONTRIBUTING: for each kind of change the files that name one which is there, and no other does."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "featurectl"
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


@dataclass(frozen=True)
class Addition:
    """A row: what is added, by which words one that is there is named, in which modules, and what lies beside them."""

    kind: str
    words: tuple[str, ...]
    modules: frozenset[str]
    beside: tuple[str, ...]


def additions() -> list[Addition]:
    """Return the rows of the table; its second column holds words, the third modules, the fourth paths."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 5]
    quoted = [(row[0].strip(), *(re.findall(r"`([^`]+)`", cell) for cell in row[1:])) for row in rows[1:]]
    return [Addition(kind, tuple(words), frozenset(modules), tuple(beside)) for kind, words, modules, beside in quoted]  # type: ignore[arg-type]


@functools.cache
def named(path: Path) -> frozenset[str]:
    """Return the words of a module: its texts, what it imports, and the fields of its classes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


def modules_naming(words: tuple[str, ...]) -> set[str]:
    return {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if not named(path).isdisjoint(words)}


def test_the_table_has_every_kind_of_addition():
    kinds = ("aggregate", "source", "online store", "topics", "engine", "alert metric", "notifier", "command", "gate",
             "runtime", "output format", "HTTP route", "key of the language", "row layout")  # fmt: skip
    assert [kind for kind in kinds if not any(kind in row.kind for row in additions())] == []


@pytest.mark.parametrize("row", additions(), ids=lambda row: row.kind)
@pytest.mark.sample(6)
def test_what_names_one_that_is_there_is_what_the_table_lists(row):
    beside = tuple(path.removeprefix("featurectl/") for path in row.beside if path.startswith("featurectl/"))
    found = {path for path in modules_naming(row.words) if not path.startswith(beside or ("-",))}
    assert found == row.modules


@pytest.mark.parametrize("row", additions(), ids=lambda row: row.kind)
def test_each_word_of_the_example_is_one_of_the_package(row):
    assert [word for word in row.words if not modules_naming((word,))] == []


@pytest.mark.parametrize("row", additions(), ids=lambda row: row.kind)
def test_what_lies_beside_it_is_there(row):
    assert [path for path in row.beside if not (ROOT / path).exists()] == []
    assert row.beside
