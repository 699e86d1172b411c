"""One word, one meaning: classes share no name, and words of the house's own that left do not come back.

The names of tests are sentences that fit a line of a report.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "featurectl"

# What was called by them has a term of the field now, or says what it holds.
CLASSES_THAT_LEFT = {
    "Ahead", "Asked", "Author", "Became", "Begun", "Contender", "Found", "Given", "Judge", "Judged", "Keeping",
    "JudgedRows", "KnownThen", "Looker", "MadeModel",
    "KeptScores", "Leave", "Lesson", "Logged", "Looked", "Made", "Measured", "Mover", "Part", "Reading",
    "Registration", "Ring", "Rival", "Round", "Seat", "Seen", "Served", "Stores", "Tally", "Told", "Wanted",
    "Workshop", "World", "WorkspaceWorld",
}  # fmt: skip
MODULES_THAT_LEFT = {
    "again", "ahead", "apart", "ask", "given", "kept", "known", "known_then", "learned", "leave", "lesson", "logged",
    "look", "lost", "made", "outside", "recorded", "removed", "served", "stored", "told", "wanted",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "feature_repo_template" not in path.parts)


@cache
def top_level() -> list[tuple[type, str, str]]:
    """Return the kind and the name of each top-level class and function of the package, and where it stands."""
    return [
        (type(node), node.name, path.relative_to(PACKAGE).as_posix())
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def definitions(*kinds: type) -> dict[str, list[str]]:
    """Return where each top-level class or function of the package stands, by name."""
    found = defaultdict(list)
    for kind, name, where in top_level():
        if kind in kinds:
            found[name].append(where)
    return found


def test_no_two_public_classes_have_one_name():
    classes = definitions(ast.ClassDef)
    assert {name: where for name, where in classes.items() if len(where) > 1 and not name.startswith("_")} == {}


def type_aliases() -> dict[str, dict[str, str]]:
    """Return what each public alias of a type stands for, by name and module; classes are among them."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            where = path.relative_to(PACKAGE).as_posix()
            if isinstance(node, ast.ClassDef):
                name, what = node.name, where
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name, what = node.targets[0].id, ast.unparse(node.value)
            else:
                continue
            if re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", name):
                found[name][where] = what
    return found


def test_an_alias_of_a_type_stands_for_one_thing():
    assert {name: what for name, what in type_aliases().items() if len(set(what.values())) > 1} == {}


def test_classes_and_modules_that_left_do_not_come_back():
    assert sorted(definitions(ast.ClassDef).keys() & CLASSES_THAT_LEFT) == []
    names = [path.relative_to(PACKAGE).as_posix() for path in modules() if path.stem in MODULES_THAT_LEFT]
    assert names == []


def test_a_function_that_checks_is_called_so():
    functions = definitions(ast.FunctionDef, ast.AsyncFunctionDef)
    assert [name for name in functions if name.startswith(("refuse_", "told_"))] == []


def test_the_name_of_a_test_is_a_sentence_of_at_most_70_characters():
    names = [
        name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    ]
    assert len(names) > 2_000
    assert [name for name in names if len(name) > 70 or name.count("_") < 2] == []
