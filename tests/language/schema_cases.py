"""Objects of the language's contract, and what can be done to them: one change each, most of them mistakes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from featurectl.language.problems.codes import Problem
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.objects import LISTS, PROJECT
from featurectl.language.shapes.values import plain_data
from featurectl.language.syntax.node import File
from featurectl.language.syntax.reader import read_nodes

CONTRACTS = Path(__file__).parents[1] / "contracts"
MISTAKES: Any = ("no good!", "", -0.5, 7, True, None, "${NAME}", [], {}, ["x"], {"x": 1}, "1d")


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds, read by the rules of the language."""
    report = Report()
    node = read_nodes(File("a.yaml", text), report)
    assert report.problems == []
    return None if node is None else plain_data(node)


@dataclass(frozen=True)
class Object:
    """One object of the contract: the list it stands in ("" for featurectl.yaml), its place there, and its data."""

    kind: str
    number: int
    data: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}-{self.data.get('name', self.number)}".replace(" ", "_")

    @property
    def shape(self) -> type[ObjectShape]:
        """What reads it."""
        return LISTS[self.kind] if self.kind else PROJECT


def objects() -> list[Object]:
    """Return every object of the contract's YAML, and more, so that every key of the language is there."""
    project = read_yaml((CONTRACTS / "featurectl.yaml").read_text())
    files = (CONTRACTS / "language.yaml", Path(__file__).with_name("more_of_the_language.yaml"))
    lists = [pair for file in files for pair in read_yaml(file.read_text()).items()]
    return [Object("", 0, project), *(Object(kind, n, item) for kind, items in lists for n, item in enumerate(items))]


def shape_problems(shape: type[ObjectShape], data: Any) -> list[Problem]:
    """Return what reading the object by itself reports."""
    report = Report()
    node = read_nodes(File("a.yaml", json.dumps(data)), report)
    try:
        shape.model_validate(node, context=report)
    except ValidationError:
        assert report.problems
    return report.problems


def changes(data: dict[str, Any]) -> Iterator[tuple[str, object, dict[str, Any]]]:
    """Yield what was changed, the value that was put in, and the data after that one change."""
    for path, value in places(data):
        where = "/".join(map(str, path))
        for mistake in MISTAKES:
            if mistake != value or type(mistake) is not type(value):
                yield f"{where} = {mistake!r}", mistake, with_value(data, path, mistake)
        if isinstance(value, dict):
            for key in value:
                yield f"{where} without {key}", "", with_value(data, path, {k: v for k, v in value.items() if k != key})
                renamed = {k + "x" if k == key else k: v for k, v in value.items()}
                yield f"{where} with {key}x for {key}", "", with_value(data, path, renamed)
        if isinstance(value, list):
            for number, item in enumerate(value):
                if item is not value[0]:
                    yield f"{where} without item {number}", "", with_value(data, path, value[:number])


def places(data: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], object]]:
    """Yield the path and value of everything inside, itself first."""
    yield path, data
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


def with_value(data: Any, path: tuple[object, ...], value: object) -> Any:
    """Return a copy in which another value stands at a path."""
    if not path:
        return value
    made = copy.deepcopy(data)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made
