"""A path of a route is named once: what is looked up, counted, documented and described goes by its route."""

from __future__ import annotations

import re
from pathlib import Path

from featurectl.serving.routes.all_routes import ROUTES
from featurectl.serving.routes.openapi import openapi_document
from featurectl.serving.settings import ServeSettings

ROOT = Path(__file__).parents[2]


def test_each_path_stands_once_in_the_code_of_the_server():
    text = "".join(path.read_text() for path in sorted((ROOT / "featurectl/serving").rglob("*.py")))
    assert {route.path: text.count(f'"{route.path}"') for route in ROUTES} == dict.fromkeys(
        (route.path for route in ROUTES), 1
    )


def test_each_route_is_in_the_table_once():
    folder = ROOT / "featurectl/serving/routes"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "schemas", "all_routes"}
    assert {route.answer.__module__.rpartition(".")[2] for route in ROUTES} == modules
    assert len({route.path for route in ROUTES}) == len(ROUTES)


def test_the_document_has_every_route_and_the_bodies_that_they_name():
    document = openapi_document(ServeSettings(root="."), ROUTES)
    assert list(document["paths"]) == [route.path for route in ROUTES]
    names = re.findall(r"#/components/schemas/(\w+)", str(document["paths"]))
    assert set(names) == set(document["components"]["schemas"])


def test_the_reference_names_every_route():
    head, *_ = (ROOT / "docs/reference/http.md").read_text().split("\n## ")
    named = set(re.findall(r"`(?:GET |POST )?(/[^`]*)`", head))
    assert named == {route.path for route in ROUTES}


def test_a_route_has_at_most_one_parameter_at_its_end():
    for route in ROUTES:
        assert route.path == route.prefix + (f"{{{route.parameter}}}" if route.parameter else "")
