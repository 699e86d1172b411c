"""What there is, in tables by kind, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from featurectl.catalog.objects import CATALOG_KINDS, SEVERAL, CatalogKind
from featurectl.core.units import format_age, format_duration, plural
from featurectl.render.page import PageTable, page_text
from featurectl.render.table import NarrowForm

if TYPE_CHECKING:
    from featurectl.catalog.search import SearchHit
    from featurectl.catalog.summaries import ObjectSummary
    from featurectl.language.definitions.about import Freshness

ObjectCells = Callable[["ObjectSummary"], list[str]]
_CUT: Final = NarrowForm(last="cut")
_NONE: Final = "-"

_COLUMNS: Final[Mapping[CatalogKind, tuple[Sequence[str], ObjectCells]]] = {
    "view": (
        ("view", "entity", "features", "SLA", "state", "models", "description"),
        lambda o: [o.name, o.entity or _NONE, str(o.size), sla(o.freshness), state_of(o), _count(o), o.description],
    ),
    "feature": (
        ("feature", "type", "definition", "state", "models", "description"),
        lambda o: [o.name, o.type, o.definition, state_of(o), _count(o), o.description],
    ),
    "model": (
        ("model", "champion", "inputs", "trainer", "description"),
        lambda o: [
            o.name, "none" if o.version is None else f"version {o.version}", str(o.size),
            o.type.rpartition(".")[2] or _NONE, o.description or o.definition,
        ],
    ),
    "source": (
        ("source", "where", "SLA", "state", "used by", "description"),
        lambda o: [o.name, o.definition, sla(o.freshness), state_of(o), _count(o), o.description],
    ),
    "entity": (
        ("entity", "keys", "views", "description"),
        lambda o: [o.name, o.definition, _count(o), o.description],
    ),
    "pipeline": (
        ("pipeline", "schedule", "stages", "description"),
        lambda o: [o.name, o.type or _NONE, o.definition, o.description],
    ),
    "deployment": (
        ("deployment", "runs", "replicas", "description"),
        lambda o: [o.name, o.type, o.definition.removeprefix("replicas: "), o.description],
    ),
    "alert": (("alert", "severity", "when"), lambda o: [o.name, o.type, o.definition]),
    "notifier": (
        ("notifier", "by", "address", "alerts"),
        lambda o: [o.name, o.type, o.definition, _count(o)],
    ),
}  # fmt: skip


def render_objects(objects: Sequence[ObjectSummary]) -> str:
    """Return a table for each kind that there is, and a last line with the counts."""
    parts = []
    for kind in CATALOG_KINDS:
        of_kind = [item for item in objects if item.kind == kind]
        if of_kind:
            head, cells = _COLUMNS[kind]
            parts.append(page_text([[filled_table(head, [cells(item) for item in of_kind])]]))
    return "\n\n".join([*parts, _counts(objects)])


def filled_table(head: Sequence[str], rows: Sequence[Sequence[str]], narrow: NarrowForm = _CUT) -> PageTable:
    """Return a table without the columns that are empty in every row, whose last one is cut in a narrow terminal."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows) or i == 0]
    return PageTable(head=[head[i] for i in kept], rows=[[row[i] for i in kept] for row in rows], narrow=narrow)


def _counts(objects: Sequence[ObjectSummary]) -> str:
    counts = Counter(item.kind for item in objects)
    parts = [f"{n:,} {plural(n, kind, SEVERAL[kind])}" for kind in CATALOG_KINDS if (n := counts[kind])]
    return f"{', '.join(parts)}." if parts else "Nothing of it is applied."


def _count(item: ObjectSummary) -> str:
    return str(len(item.used_by)) if item.used_by else _NONE


def sla(freshness: Freshness | None) -> str:
    """Return the bounds of an SLA as they are written: in the language's form.

    >>> from featurectl.language.definitions.about import Freshness
    >>> sla(Freshness(warn_after_us=43_200_000_000, error_after_us=86_400_000_000))
    '12h / 1d'
    """
    if freshness is None:
        return _NONE
    bounds = (freshness.warn_after_us, freshness.error_after_us)
    return " / ".join(_NONE if bound is None else format_duration(bound) for bound in bounds)


def state_of(item: ObjectSummary) -> str:
    """Return how an object did when the stores were looked at, in a cell; "" where they were not."""
    row = item.state
    if row is None:
        return ""
    return row.verdict if row.age_us is None else f"{row.verdict}, {format_age(row.age_us)}"


def render_hits(hits: Sequence[SearchHit]) -> str:
    """Return what was found, the best first, and where its words are."""
    head = ("kind", "name", "found in", "what it is")
    rows = [
        [hit.object.kind, hit.object.name, ", ".join(hit.found_in), hit.object.description or hit.object.definition]
        for hit in hits
    ]
    return page_text([[filled_table(head, rows)], [f"{len(hits):,} found."]])
