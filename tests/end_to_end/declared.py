"""What the template's YAML says, read by plain Python: no loader, checker or expression of featurectl takes part.

It knows the forms that the template uses and fails on any other, so that a changed template is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

UNITS_US = {"h": 3_600_000_000, "d": 86_400_000_000}
_VIEW_KEYS = {
    "name", "entity", "join", "source", "aggregates", "features", "ttl", "derived", "description", "refresh",
    "freshness", "owner", "tags",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A table with two clocks; both None: a static one."""

    name: str
    path: str
    event_time: str | None
    available_at: str | None
    dedup_key: tuple[str, ...]
    select: Mapping[str, str]


@dataclass(frozen=True)
class Window:
    """An aggregate over the rows of one entity in the `length_us` (None: ever) before t."""

    name: str
    op: str
    column: str | None
    length_us: int | None


@dataclass(frozen=True)
class View:
    """A feature view; `join` is entity key -> source column, `states` and `derived` are name -> expression."""

    name: str
    source: Source
    join: Mapping[str, str]
    windows: tuple[Window, ...]
    states: Mapping[str, str]
    ttl_us: int | None
    derived: Mapping[str, str]

    @property
    def features(self) -> list[str]:
        """Every feature in order, derived ones last."""
        return [*(window.name for window in self.windows), *self.states, *self.derived]


@dataclass(frozen=True)
class Column:
    """A column of a model: of the request (`view` and `expr` None), of a view, or derived."""

    name: str
    view: str | None = None
    feature: str = ""
    join: Mapping[str, str] | None = None
    default: str | None = None
    expr: str | None = None


def duration_us(text: str) -> int:
    """Return the microseconds of `6h` or `7d`."""
    return int(text[:-1]) * UNITS_US[text[-1]]


def read_objects(root: Path, kind: str) -> dict[str, dict]:
    """Return the objects of a kind by name, as the files have them."""
    documents = [_document(path.read_text()) for path in sorted(root.rglob("*.yaml")) if ".github" not in path.parts]
    return {item["name"]: item for document in documents for item in document.get(kind, [])}


@cache
def _document(text: str) -> dict[str, list[dict]]:
    document: dict[str, list[dict]] = yaml.load(text, yaml.CSafeLoader)  # the safe one, in C
    return document


def read_views(root: Path) -> dict[str, View]:
    """Return the feature views by name."""
    entities, sources = read_objects(root, "entities"), read_objects(root, "sources")
    return {
        name: _view(item, entities[item["entity"]], sources[item["source"]])
        for name, item in read_objects(root, "feature_views").items()
    }


def read_columns(root: Path, model: str) -> list[Column]:
    """Return a model's columns in order."""
    views = read_views(root)
    columns: list[Column] = []
    for item in read_objects(root, "models")[model]["features"]:
        if "request" in item:
            columns += [Column(name=name) for name in item["request"]]
        elif "derived" in item:
            columns += [Column(name=derived["name"], expr=derived["expr"]) for derived in item["derived"]]
        else:
            columns += _of_view(item, views)
    return columns


def airport_side(view: View) -> str:
    """Return the end of a flight that a view of airports is about: that of its rows, else the origin."""
    return view.join["airport"] if view.join["airport"] in {"origin", "dest"} else "origin"


def _of_view(item: dict, views: Mapping[str, View]) -> list[Column]:
    if "feature" in item:
        view, feature = item["feature"].split(":")
        names, wanted = {feature: item.get("as", feature)}, [feature]
    else:
        view, wanted = (item["view"], item["features"]) if "view" in item else next(iter(item.items()))
        wanted = views[view].features if wanted == "*" else wanted
        names = {feature: item.get("prefix", "") + feature for feature in wanted}
    join = {key: item.get("join", {}).get(key, key) for key in views[view].join}
    return [Column(names[f], view, f, join, item.get("default")) for f in wanted]


def _view(item: dict, entity: dict, source: dict) -> View:
    assert set(item) <= _VIEW_KEYS, f"a view of another form: {set(item) - _VIEW_KEYS}"
    assert not {"delay", "nan", "tiebreak", "timezone"} & set(source), f"a source of another form: {source}"
    features = [f if isinstance(f, dict) else {"name": f} for f in item.get("features", [])]
    return View(
        name=item["name"],
        source=Source(
            name=source["name"],
            path=source["path"],
            event_time=source.get("event_time"),
            available_at=source.get("available_at", source.get("event_time")),
            dedup_key=tuple(source.get("dedup_key", ())),
            select=source.get("select", {}),
        ),
        join={key: item.get("join", {}).get(key, key) for key in entity["keys"]},
        windows=tuple(window for aggregate in item.get("aggregates", []) for window in _windows(aggregate)),
        states={feature["name"]: feature.get("expr", feature["name"]) for feature in features},  # type: ignore[misc]
        ttl_us=duration_us(item["ttl"]) if "ttl" in item else None,
        derived={derived["name"]: derived["expr"] for derived in item.get("derived", [])},
    )


def _windows(item: dict) -> list[Window]:
    assert set(item) <= {"op", "column", "windows", "name"}, f"an aggregate of another form: {item}"
    ops = item["op"] if isinstance(item["op"], list) else [item["op"]]
    column = item.get("column")
    return [
        Window(
            name=f"{item.get('name') or (f'{column}_{op}' if column else op)}_{window}",
            op=op,
            column=column,
            length_us=None if window == "lifetime" else duration_us(window),
        )
        for op in ops
        for window in item["windows"]
    ]
