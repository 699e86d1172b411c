"""Lineage against the graph that plans use, its depth, and its drawings."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest

from featurectl.catalog.lineage import lineage_of, whole_lineage
from featurectl.catalog.objects import AppliedObjects, CatalogKind, ObjectName, read_objects
from featurectl.cli.main import main
from featurectl.identity.lineage import Ref
from featurectl.workspace.open import open_workspace

pytestmark = pytest.mark.usefixtures("shop")

REF_KINDS = {"view": "feature_view"}


@pytest.fixture
def objects(shop) -> AppliedObjects:
    """What is applied."""
    with open_workspace(shop, None, None, "project file") as workspace:
        return read_objects(workspace)


def names_of(objects: AppliedObjects) -> list[ObjectName]:
    """Return all objects that have a lineage."""
    kinds: tuple[CatalogKind, ...] = ("view", "model", "source", "entity", "pipeline")
    return [ObjectName(kind, name) for kind in kinds for name in objects.of_kind(kind)]


def as_ref(node: ObjectName) -> Ref:
    """Return an object as plans name it."""
    return Ref(REF_KINDS.get(node.kind, node.kind), node.name)  # type: ignore[arg-type]  # the same words


def test_a_lineage_is_all_that_is_above_and_below(objects):
    for node in names_of(objects):
        graph, ref = lineage_of(objects, node), as_ref(node)
        found = {as_ref(other) for other in graph.nodes}
        assert found == {ref} | objects.graph.upstream(ref) | objects.graph.downstream(ref)


def test_steps_of_depth_are_those_of_a_naive_walk(objects):
    edges = whole_lineage(objects).edges
    for node, depth in product(names_of(objects), (0, 1, 2, 3)):
        up = down = {node}
        found = {node}
        for _ in range(depth):
            up = {before for before, after in edges if after in up}
            down = {after for before, after in edges if before in down}
            found |= up | down
        assert set(lineage_of(objects, node, depth).nodes) == found


def test_a_feature_has_what_it_is_derived_from_and_who_reads_it(objects):
    graph = lineage_of(objects, ObjectName("feature", "spend:count_7d"))
    assert {(before.name, after.name) for before, after in graph.edges} == {
        ("orders", "spend:count_7d"),
        ("spend:count_7d", "spend:per_order"),
        ("spend:count_7d", "big"),
        ("spend:per_order", "big"),
    }


def test_the_whole_project_has_every_object(objects):
    graph = whole_lineage(objects)
    assert set(graph.nodes) == set(names_of(objects))
    assert graph.root is None


@pytest.mark.parametrize("name", ["spend", "orders", "big", "nightly", "spend:per_order", None])
def test_drawings_have_the_nodes_and_edges_of_the_json(capsys, name):
    words = ["lineage"] if name is None else ["lineage", name]
    assert main([*words, "-o", "json"]) == 0
    graph = json.loads(capsys.readouterr().out)["result"]
    labels = {f"{node['kind']} {node['name']}" for node in graph["nodes"]}
    for form, arrow, label in (("mermaid", "-->", r'"(.*?)"'), ("dot", "->", r'label="(.*?)"')):
        assert main([*words, "-o", form]) == 0
        text = capsys.readouterr().out
        assert set(re.findall(label, text)) == labels
        assert sum(arrow in line for line in text.splitlines()) == len(graph["edges"])


def test_alerts_have_no_lineage(capsys):
    assert main(["lineage", "ops"]) == 64
    assert "has no lineage" in capsys.readouterr().err
