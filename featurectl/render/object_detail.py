"""All of one object: a page of a terminal, and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from featurectl.catalog.documents import object_document, statistics_document
from featurectl.core.units import format_age, format_instant, format_iso
from featurectl.render.catalog import filled_table
from featurectl.render.lineage import lineage_json, render_lineage
from featurectl.render.page import Page, PageBlock, PageTable, page_text
from featurectl.render.statistics import statistics_line, statistics_page
from featurectl.render.table import NarrowForm

if TYPE_CHECKING:
    from featurectl.catalog.detail import ObjectDetail, VersionInUse

_VALUES: Final = "least .. median .. greatest"
_FEATURES: Final = ("feature", "type", "definition", "models", _VALUES, "description")
_NARROW: Final = NarrowForm(left_out=(_VALUES,), lines=3, last="cut")
_SHOWN_METRICS: Final = ("auc", "accuracy", "macro_f1", "r2", "rmse", "mae")


def render_details(details: Sequence[ObjectDetail]) -> str:
    """Return a page for each object."""
    return "\n\n\n".join(page_text(object_page(detail)) for detail in details)


def object_page(detail: ObjectDetail) -> Page:
    """Return the page of an object."""
    facts = {**detail.facts, **_state(detail)}
    return [
        [_head(detail)],
        [PageTable(rows=[[label, text] for label, text in facts.items()])],
        _features(detail),
        _versions(detail),
        *_statistics(detail),
        [render_lineage(detail.lineage)] if detail.lineage else [],
    ]


def _head(detail: ObjectDetail) -> str:
    item = detail.summary
    version = f" version {item.version}" if item.version is not None and item.kind != "model" else ""
    at = f", applied {format_instant(detail.applied_at)}" if detail.applied_at else ""
    definition = f"\n{item.definition}" if item.kind in ("view", "feature", "model") else ""
    return f"{item.kind} {item.name}{version}{at}{definition}"


def _state(detail: ObjectDetail) -> dict[str, str]:
    row = detail.summary.state
    if row is None:
        return {}
    age = "" if row.age_us is None else f", {format_age(row.age_us)} old"
    over = f", {format_age(row.over_us)} over" if row.over_us else ""
    why = f": {row.error or row.note}" if row.error or row.note else ""
    return {"state": f"{row.verdict}{age}{over}{why}"}


def _features(detail: ObjectDetail) -> PageBlock:
    rows = []
    for item in detail.features:
        name = item.name.partition(":")[2]
        values = statistics_line(detail.statistics.get(name))
        rows.append([name, item.type, item.definition, ", ".join(item.used_by) or "-", values, item.description])
    return [filled_table(_FEATURES, rows, _NARROW)] if rows else []


def _versions(detail: ObjectDetail) -> PageBlock:
    if not detail.versions:
        return []
    of_model = detail.summary.kind == "model"
    head = (
        ("version", "trained", "alias", "metrics", "views") if of_model else ("version", "applied", "", "bound models")
    )
    return [PageTable(head=head, rows=[_model_cells(v) if of_model else _view_cells(v) for v in detail.versions])]


def _view_cells(version: VersionInUse) -> list[str]:
    at = "-" if version.at is None else format_instant(version.at)
    return [str(version.version), at, "newest" if version.is_newest else "", ", ".join(version.used_by) or "-"]


def _model_cells(version: VersionInUse) -> list[str]:
    at = "-" if version.at is None else format_instant(version.at)
    metrics = version.metrics or {}
    shown = "  ".join(f"{name} {metrics[name]:.4f}" for name in _SHOWN_METRICS if name in metrics)
    alias = " ".join(version.aliases) or ("-" if version.status == "registered" else version.status)
    return [str(version.version), at, alias, shown or "-", ", ".join(version.used_by) or "-"]


def _statistics(detail: ObjectDetail) -> Page:
    keys = [", ".join(f"{value}" for value in row) for row in detail.sample_keys]
    shown = [["keys: " + "; ".join(keys)]] if keys else []
    if detail.statistics_missing:
        return [[f"values: {detail.statistics_missing}"], *shown]
    of_feature = detail.summary.kind == "feature"
    return [block for item in detail.statistics.values() if of_feature for block in statistics_page(item)] + shown


def detail_json(detail: ObjectDetail) -> dict[str, object]:
    """Return an object with all of it, ready for JSON."""
    return {
        **object_document(detail.summary),
        "applied_at": format_iso(detail.applied_at) if detail.applied_at else None,
        "facts": dict(detail.facts),
        "as_applied": detail.definition,
        "features": [object_document(item) for item in detail.features],
        "versions": [_version_json(version) for version in detail.versions],
        "lineage": lineage_json(detail.lineage) if detail.lineage else None,
        "statistics": [statistics_document(item) for item in detail.statistics.values()],
        "statistics_missing": detail.statistics_missing or None,
        "sample_keys": [list(keys) for keys in detail.sample_keys],
    }


def _version_json(version: VersionInUse) -> dict[str, object]:
    return {
        "version": version.version,
        "at": format_iso(version.at) if version.at else None,
        "is_newest": version.is_newest,
        "used_by": list(version.used_by),
        "aliases": list(version.aliases),
        "status": version.status or None,
        "metrics": None if version.metrics is None else dict(version.metrics),
    }
