"""The kinds of objects stand in one table each: their words in `core`, what they say in `identity`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from featurectl.catalog.facts import _FACTS
from featurectl.catalog.objects import CATALOG_KINDS, REGISTERED_AS
from featurectl.catalog.summaries import _SUMMARIES
from featurectl.core.kinds import KIND_OF_SECTION, OBJECT_KINDS, WORDS, DeclaredKind
from featurectl.identity.registered_kinds import REGISTERED
from featurectl.language.shapes.objects import LISTS
from featurectl.render.catalog import _COLUMNS

CATALOG = ["catalog/facts.py", "catalog/objects.py", "catalog/summaries.py", "render/catalog.py"]
PACKAGE = Path(__file__).parents[2] / "featurectl"


def test_every_kind_has_its_words_and_its_list_in_the_files():
    assert set(WORDS) == {kind for part in get_args(DeclaredKind) for kind in get_args(part)}
    assert set(KIND_OF_SECTION) == set(LISTS)


def test_every_kind_that_a_registry_keeps_has_a_type_and_facts():
    assert set(REGISTERED) == set(OBJECT_KINDS)
    assert len({registered.type for registered in REGISTERED.values()}) == len(REGISTERED)


def test_every_kind_that_a_registry_keeps_is_shown():
    assert set(REGISTERED_AS.values()) == set(OBJECT_KINDS)
    assert set(_SUMMARIES) == set(_FACTS) == set(_COLUMNS) == set(CATALOG_KINDS)


@pytest.mark.parametrize(("word", "shown"), [("notifier", CATALOG), ("feature_view", [])])
def test_kinds_are_listed_in_one_place(word, shown):
    """A list of kinds elsewhere would have to be found when there is another kind; what is shown has all of them."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if not all(f'"{kind}"' in text for kind in ("entity", "source", word)):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Tuple | ast.Dict | ast.Set | ast.List):
                items = (node.keys if isinstance(node, ast.Dict) else node.elts) or []
                if {"entity", "source", word} <= {getattr(item, "value", None) for item in items if item}:
                    found.append(path.relative_to(PACKAGE).as_posix())
    assert sorted(set(found)) == sorted(["core/kinds.py", "identity/registered_kinds.py", *shown])
