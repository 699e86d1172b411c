"""Definitions in a registry that featurectl has not written: an error of the registry, never a fault of ours."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest

from featurectl.core.errors import StoreError
from featurectl.language.definitions.fitting import fits
from featurectl.language.definitions.json_form import (
    dump_definition,
    load_alert,
    load_model,
    load_notifier,
    load_source,
    load_untyped_view,
    load_view,
)
from tests.language.repository import BASE, load
from tests.language.test_definitions import VIEW

OTHERS: Any = (None, 5, "x", True, 1.5, [], [5], {}, {"x": 5}, 10**30, "\ud800")


@pytest.mark.parametrize("load_one", [load_source, load_view, load_untyped_view, load_model, load_alert, load_notifier])
def test_what_is_no_definition_is_an_error_of_the_registry(load_one):
    for found in ([], {}, None, "x", 5, {"name": 5}, {"source": [], "spine": {"source": 5}, "inputs": [1]}):
        with pytest.raises(StoreError) as caught:
            load_one(found)
        has_other_fields = isinstance(found, dict) and not found.keys() <= {"name"}
        assert caught.value.code == ("FC604" if has_other_fields else "FC601")


@pytest.mark.parametrize("name", ["name", "kind", "features", "source"])
def test_a_field_of_another_type_is_an_error_of_the_registry(tmp_path, name):
    view = dump_definition(load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW}).views["v"])
    assert load_view(view).name == "v"
    for other in (5, True, [5], {"x": 5}):
        with pytest.raises(StoreError):
            load_view(view | {name: other})


def test_whatever_stands_in_a_definition_it_is_read_whole_or_refused(tmp_path):
    view = dump_definition(load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW}).views["v"])
    for path in list(paths(view)):
        for other in OTHERS:
            changed = copy.deepcopy(view)
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = other
            with suppress(StoreError):
                assert fits(load_view(changed))


@pytest.mark.parametrize("path", [(), ("source",), ("entity",), ("features", 0)])
def test_a_field_of_a_newer_version_says_to_upgrade(tmp_path, path):
    view = dump_definition(load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW}).views["v"])
    inner = view
    for step in path:
        inner = inner[step]
    inner["half_life"] = "7d"
    with pytest.raises(StoreError) as caught:
        load_view(view)
    assert caught.value.code == "FC604"
    assert "of a newer featurectl: this one does not know its field 'half_life'" in caught.value.message
    assert "upgrade" in caught.value.hint
    assert "backup" not in caught.value.hint


def paths(node, path=()):
    """Yield where each value of a document stands, as keys and places."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in steps:
        yield (*path, step)
        yield from paths(value, (*path, step))
