"""What is at one place of the JSON of a command has one type, whatever there is: nothing, no values, any keys."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest

from featurectl.cli.all_commands import COMMANDS
from tests.catalog.shop import write_files
from tests.cli.every_command import JOB, Said, Step, do_steps, say, write_changes

pytestmark = pytest.mark.long  # the whole job for three states of a project

TYPED = """
entities: [{name: visit, keys: {user: int64, vip: bool, day: date, shop: string}}]
sources:
  - name: calls
    path: calls.csv
    event_time: at
    columns: {user: int64, vip: bool, day: date, shop: string, at: timestamp, n: int64, x: float64, ok: bool, s: string}
feature_views:
  - name: last_call
    entity: visit
    source: calls
    features: [n, x, ok, s, {name: called, expr: at}]
  - name: calls_of_visit
    entity: visit
    source: calls
    aggregates:
      - {op: count, windows: [7d]}
      - {column: n, op: [sum, mean, min], windows: [7d]}
      - {column: x, op: [sum, last_n], n: 2, windows: [7d]}
"""
CALLS = """user,vip,day,shop,at,n,x,ok,s
7,true,2026-01-10,a,2026-01-15T09:00:00Z,4,1,true,z
8,false,2026-01-11,b,2026-01-15T09:00:00Z,,,,
"""
KEYS = {"user": "int", "vip": "bool", "day": "string", "shop": "string"}
ENTITIES = ("user=7 vip=true day=2026-01-10 shop=a", "user=8 vip=false day=2026-01-11 shop=b",
            "user=9 vip=true day=2026-01-10 shop=a")  # fmt: skip
LOOKS: tuple[Step, ...] = (
    "validate", "plan", "history", "materialize --dry-run", "push --dry-run", "models list",
    *(f"get {view} {entity}{offline}" for view in ("last_call", "calls_of_visit") for entity in ENTITIES
      for offline in ("", " --offline")),
    "list", "list features --state", "show last_call --sample 10 --sample-keys", "show spend", "show big",
    "search spend", "lineage orders", "verify --store", "status", "status -v", "status --checks", "why spend",
    *(f"why last_call {entity}" for entity in ENTITIES), "monitor check --dry-run", "monitor silence --list",
    "clean --dry-run", "erase visit user=7 --dry-run",
)  # fmt: skip
ENDLESS = {"serve", "monitor run"}  # which say nothing on stdout


def write_shop() -> None:
    """Write the files of the shop, with the views that have keys and values of all types."""
    write_files(Path())
    Path("typed.yaml").write_text(TYPED)
    Path("calls.csv").write_text(CALLS)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """What every command said, of what is not applied, not materialized, and of the main job."""
    root = tmp_path_factory.mktemp("typed")
    before = (write_shop, "plan", "status", "apply --auto-approve", *LOOKS, "materialize", "train big", write_changes)
    job = [step for step in JOB if step is not write_changes and not str(step).startswith(("init", *ENDLESS))]
    with chdir(root), patch.dict(os.environ, {"FEATURECTL_ACTOR": "ana"}):
        return [*do_steps([*before, *job, *LOOKS], "-o", "json"), say("init new --template minimal -o json")]


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give each scalar, and each empty list or mapping, with its place; items of a list have one place.

    Items of a list in a list are a row's: each has its own.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}[{number if path.endswith('[]') else ''}]")
    yield path, value


def type_of(value: object) -> str:
    """Return the type of a JSON value; whole numbers are another than others."""
    names = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "mapping"}
    return names[type(value)]


def test_what_is_at_one_place_has_one_type(said):
    types: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for each in said:
        document = json.loads(each.out)
        for path, value in leaves(document):
            if value is not None:
                types[each.command, path].setdefault(type_of(value), each.line)
    assert {place: found for place, found in types.items() if len(found) > 1} == {}
    keys = {path.rpartition(".")[2]: set(types["get", path]) for path in (f".result.entity.{key}" for key in KEYS)}
    assert keys == {key: {of} for key, of in KEYS.items()}


def test_instants_have_one_form(said):
    found = ((each.line, *leaf) for each in said for leaf in leaves(json.loads(each.out)))
    places = {(line, path, value) for line, path, value in found if isinstance(value, str)}
    of_people = {place for place in places if place[1].endswith(".label")}
    assert [each for each in places - of_people if re.match(r"20\d\d-\d\d-\d\d[T ]\d\d:(?!.*Z$)", each[2])] == []


def test_every_command_is_looked_at(said):
    assert {each.command for each in said} == set(COMMANDS) - ENDLESS
