"""The JSON Schemas say what reading says, key by key, and teach what each key means."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from jsonschema import Draft7Validator

from featurectl.language.json_schema import file_schema, project_schema
from featurectl.language.load import load_repo
from featurectl.language.repository_files import own_paths
from featurectl.language.shapes.objects import LISTS, PROJECT
from featurectl.operations.init import NEXT, template_folder, write_repository
from tests.docs.pages import DOCS, PAGES, name_of, read_blocks
from tests.language.schema_cases import CONTRACTS, changes, objects, read_yaml, shape_problems

BLOCKS = [
    (page, block)
    for page in PAGES
    for block in read_blocks(page)
    if block.language == "yaml" and not (block.note("file") or "").startswith(".")  # hidden: of other programs
]
CALL_SCHEMA = json.dumps(
    {"type": "record", "name": "call", "fields": [{"name": name, "type": "long"} for name in ("customer", "at")]}
)
SHAPE = re.compile("FC[01]")  # what is wrong with a file by itself; FC2xx are names that stand in other files


@cache
def validator(kind: str) -> Draft7Validator:
    """What checks a whole file ("file" or "project"), or one object of a list."""
    if kind in ("file", "project"):
        return Draft7Validator(file_schema() if kind == "file" else project_schema())
    schema = file_schema()
    return Draft7Validator(schema["properties"][kind]["items"] | {"definitions": schema["definitions"]})  # type: ignore[index]


def complaints(kind: str, data: object) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(data)]


def complaints_of_file(name: str, text: str) -> list[str]:
    return complaints("project" if name == "featurectl.yaml" else "file", read_yaml(text))


# Both are schemas, and they teach.


@pytest.mark.parametrize("schema", [file_schema(), project_schema()], ids=["files", "project"])
def test_a_schema_is_draft_7(schema):
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)


def test_every_key_of_every_object_says_what_it_means_in_a_sentence():
    schemas = [file_schema(), project_schema()]
    named = {name: schema for whole in schemas for name, schema in whole["definitions"].items()}
    named |= {"file": schemas[0], "project": schemas[1]}
    texts = {
        f"{name}.{key}": inner.get("description", "")
        for name, s in named.items()
        for key, inner in s["properties"].items()
    }
    texts |= {name: schema.get("description", "") for name, schema in named.items()}
    assert [key for key, text in texts.items() if not re.fullmatch(r"[A-Z`].{8,}[.:]", text, re.DOTALL)] == []
    assert len(texts) > 200


def test_no_key_has_a_title_or_a_default_that_editors_would_write():
    for schema in (file_schema(), project_schema()):
        inner = [p for s in schema["definitions"].values() for p in s["properties"].values()]
        assert [p for p in inner if "title" in p or "default" in p] == []


def test_the_keys_of_the_language_page_are_those_of_the_schemas():
    """A row of the table names an object and its keys, the required ones in bold; small objects share a row."""
    text = (DOCS / "reference" / "language.md").read_text().split("## Keys (bold: required)")[1].split("\n## ")[0]
    rows = [": ".join(row) for row in re.findall(r"^\| ([a-z.][a-z_. ]*) \| (.*) \|$", text, re.MULTILINE)]
    parts = dict(part.split(": ", 1) for row in rows for part in row.split(" · ") if ": " in part)
    schemas = {s["title"]: s for whole in (file_schema(), project_schema()) for s in whole["definitions"].values()}
    schemas["featurectl.yaml"] = project_schema()
    by_themselves = {"selection of a view's features", "feature of a model", "request columns", "derived features"}
    by_themselves |= {"derived feature", "sql", "validation", "resources"}  # in the row of what they stand in
    assert set(schemas) - set(parts) == by_themselves
    for title in set(schemas) - by_themselves:
        words = set(re.findall(r"[a-z_0-9]+", parts[title]))
        bold = {word for part in re.findall(r"\*\*(.*?)\*\*", parts[title]) for word in re.findall(r"[a-z_]+", part)}
        assert set(schemas[title]["properties"]) - words == set(), title
        assert set(schemas[title].get("required", ())) - bold == set(), title


# What is right.


@pytest.mark.parametrize("name", ["featurectl.yaml", "language.yaml"])
def test_the_contract_of_the_language_satisfies_the_schemas(name):
    assert complaints_of_file(name, (CONTRACTS / name).read_text()) == []


def test_the_contract_of_the_language_is_a_repository_without_errors(tmp_path):
    for name in ("featurectl.yaml", "language.yaml"):
        (tmp_path / name).write_text((CONTRACTS / name).read_text())
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "routes.py").write_text("def block_times(arrivals):\n    return arrivals\n")
    assert [str(p) for p in load_repo(tmp_path, None).problems if p.severity == "error"] == []


@pytest.mark.parametrize("template", sorted(NEXT))
def test_every_file_of_a_template_satisfies_the_schema_of_its_first_line(template, tmp_path):
    write_repository(template_folder() / template, tmp_path / "repo", "p")
    files = [tmp_path / "repo" / path for path in own_paths(tmp_path / "repo")]
    assert len(files) >= (1 if template == "empty" else 2)
    for path in files:
        line = path.read_text().splitlines()[0]
        named = (path.parent / line.removeprefix("# yaml-language-server: $schema=")).resolve()
        kind = "project" if path.name == "featurectl.yaml" else "file"
        assert named == tmp_path / "repo" / ".featurectl" / ("schema.json" if kind == "file" else "project.schema.json")
        assert named.is_file()
        assert complaints_of_file(path.name, path.read_text()) == []


@pytest.mark.parametrize(
    "block", [block for _, block in BLOCKS], ids=[f"{name_of(page)}:{block.line}" for page, block in BLOCKS]
)
def test_yaml_of_a_page_satisfies_the_schemas(block):
    """Every block of today's pages is a whole file; one that shows a part needs what is around it here."""
    assert block.note("fragment") is None
    name = "featurectl.yaml" if "project" in read_yaml(block.text) else "a.yaml"
    assert complaints_of_file(name, block.text) == []


# What is wrong: one change to an object that is right, thousands of times, judged by the schema and by reading.

OBJECTS = objects()


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.stress)])
@pytest.mark.parametrize("item", OBJECTS, ids=str)
@pytest.mark.sample(15)
def test_the_schema_refuses_what_reading_refuses_and_nothing_else(item, every, tmp_path):
    """Reading takes every word as a text, `true` and `null` too, where the schema would have editors offer them."""
    kind = item.kind or "project"
    assert (complaints(kind, item.data), shape_problems(item.shape, item.data)) == ([], [])
    passed, later, both = [], [], 0
    for what, value, data in islice(changes(item.data), 0, None, every):
        by_schema, by_reading = complaints(kind, data), shape_problems(item.shape, data)
        both += bool(by_schema and by_reading)
        if by_reading and not by_schema and not re.search(NO_SCHEMA_SAYS, by_reading[0].message):
            passed.append((what, by_reading))
        if by_schema and not by_reading and value is not True and value is not None:
            later.append((what, by_schema, data))
    assert passed == []
    assert [case for case in later if not errors(replaced(item, case[2]), tmp_path)] == []
    assert both > 20 // every


NO_SCHEMA_SAYS = 'is above the upper one|is longer than "error_after"'  # two values compared


def test_the_objects_that_are_changed_are_a_repository_without_errors(tmp_path):
    assert errors(OBJECTS, tmp_path) == []


def test_the_objects_that_are_changed_have_every_key_of_the_language():
    used = {(item.shape, key) for item in OBJECTS for key in item.data}
    assert {(shape, key) for shape in (*LISTS.values(), PROJECT) for key in shape.known_keys()} - used == set()


def replaced(item, data):
    return [replace(other, data=data) if other is item else other for other in OBJECTS]


def errors(items, root):
    """What is wrong with a repository of these objects: what is said only once all of them are read, too."""
    lists: dict[str, list[object]] = {kind: [item.data for item in items if item.kind == kind] for kind in LISTS}
    (root / "featurectl.yaml").write_text(json.dumps(items[0].data))
    (root / "all.yaml").write_text(json.dumps(lists))
    (root / "transforms").mkdir(exist_ok=True)
    (root / "transforms" / "routes.py").write_text("def block_times(arrivals):\n    return arrivals\n")
    (root / "call.avsc").write_text(CALL_SCHEMA)
    (root / "more.py").write_text("def f(orders, clicks):\n    return orders\n")
    return [problem for problem in load_repo(root, None).problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("sources", "{name: a}", "'path' is a required property"),
        ("sources", "{name: a, path: x, sql: {url: u, query: q}}", "False schema does not allow 'x'"),
        ("sources", "{name: a, path: x, iceberg: {table: a.b}}", "False schema does not allow 'x'"),
        ("sources", "{name: a, iceberg: {table: orders}}", "'orders' does not match"),
        ("sources", "{name: a, sql: {url: u, query: q}, format: csv}", "'path' is a dependency of 'format'"),
        ("sources", "{name: a, stream: {topic: t}, event_time: x}", "'columns' is a dependency of 'stream'"),
        (
            "sources",
            "{name: a, stream: {key: [x]}, columns: {x: bool}, event_time: x}",
            "'topic' is a required property",
        ),
        ("sources", "{name: a, path: x, event_time: t, available_at: t, delay: 1h}", "does not allow '1h'"),
        ("sources", "{name: a, path: x, freshness: {warn: 1h}}", "'warn' was unexpected"),
        ("sources", "{name: a, path: x, checks: [{column: x, row_count: 1}]}", "'not_null' is a required property"),
        ("entities", "{name: a, keys: {b: float64}}", "'float64' is not one of"),
        ("entities", "{name: a, keys: {B: string}}", "'B' does not match"),
        ("feature_views", "{name: a, source: s, aggregates: [{op: mean, windows: [1d]}]}", "'column' is a required"),
        (
            "feature_views",
            "{name: a, source: s, aggregates: [{op: [max, last_n], column: c, windows: [1d]}]}",
            "'n' is a",
        ),
        ("feature_views", "{name: a, source: s, aggregates: [{op: percentile, column: c, windows: [1d]}]}", "'q' is a"),
        ("feature_views", "{name: a, source: s, features: [b], hop: 1h}", "'aggregates' is a dependency of 'hop'"),
        ("feature_views", "{name: a, source: s, features: [b], ttl: 1.5h}", "'1.5h' does not match"),
        ("models", "{name: a, spine: {source: s, time: t}, features: [{view: v, feature: 'v:f'}]}", "was unexpected"),
        ("models", "{name: a, spine: {source: s, time: t}, features: [{v: [f], w: [f]}]}", "not valid under any"),
        ("models", "{name: a, spine: {source: s, time: t}, features: [{v: all}]}", "not valid under any"),
        (
            "models",
            "{name: a, spine: {source: s, time: t}, features: [{v: '*'}], gates: {auc: 1}}",
            "does not match any",
        ),
        ("alerts", "{name: a, when: psi > 5m, severity: info, notify: [n]}", "'psi > 5m' does not match"),
        ("notifiers", "{name: a, slack: u, email: e}", "does not allow"),
        ("tests", "{name: a, rows: [], spine: [{}], expect: [{}]}", "'view' is a required property"),
    ],
)
def test_the_schema_says_what_is_wrong(kind, text, complaint):
    found = [leaf for error in validator(kind).iter_errors(read_yaml(text)) for leaf in leaves(error)]
    assert [message for message in found if complaint in message] != [], found


def leaves(error):
    """The message of an error and of all that it is made of."""
    yield error.message
    for inner in error.context:
        yield from leaves(inner)
