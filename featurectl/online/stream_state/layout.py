"""What the lists of a view version keep of a stream's events: a small document, the same for all lists of a generation.

    {"closed": "left", "fills": [], "folded": [["sum", "amount", 0]], "format": 1, "has_dedup": true,
     "has_lifetime": false, "hop_us": null, "inputs": [["amount", "float64"]], "kind": "event", "offset_us": 0,
     "reach_us": 90002000000, "span_us": 86400000000, "ties": [], "ttl_us": null}

It never changes: a view that has to keep something else gets a new generation of lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import parse_dtype
from featurectl.core.errors import StoreError
from featurectl.core.units import HOUR_US, SECOND_US
from featurectl.language.definitions.view import Closed, Feature, FeatureView
from featurectl.online.corrupt_rows import BROKEN

FORMAT: Final = 1
MARGIN_US: Final = 2 * SECOND_US  # a head can still be asked about so much of the past
AHEAD_US: Final = HOUR_US  # an event that is dated further ahead of its stamp is rejected

StateName = Literal["rows", "count", "sum", "moments", "min", "max", "first", "last", "first_n", "last_n", "distinct"]
STATE_OF_OP: Final[Mapping[str, StateName]] = {
    "count": "count", "sum": "sum", "mean": "sum", "min": "min", "max": "max", "all": "min", "any": "max",
    "stddev": "moments", "stddev_pop": "moments", "var": "moments", "var_pop": "moments",
    "first": "first", "last": "last", "first_n": "first_n", "last_n": "last_n", "approx_count_distinct": "distinct",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedState:
    """What is kept of many rows in the place of the rows: of a column (None: of the rows), `n` values at most."""

    name: StateName
    column: str | None
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayout:
    """What the lists of a generation keep, and how long.

    `inputs` and `ties` are the columns of a record with their types, in order; `folded` what tiles (with `hop_us`) and
    `lifetime` keep. Windows end up to `offset_us` before the instant and begin up to `span_us` before it; a copy of
    an event that became available within `reach_us` of the copy before it is a repeat. State views keep the newest
    row, and for each of `fills` the newest with a value. Lists can be asked about what was `past_us` ago: a margin, and
    `max_age_us`, which is as old as events may be of which features are asked as they were then.
    """

    kind: Literal["event", "state"]
    inputs: Mapping[str, str]
    ties: tuple[str, ...] = ()
    has_dedup: bool = False
    closed: Closed = "left"
    hop_us: int | None = None
    span_us: int = 0
    offset_us: int = 0
    reach_us: int = 0
    ttl_us: int | None = None
    fills: tuple[str, ...] = ()
    folded: tuple[FoldedState, ...] = ()
    has_lifetime: bool = False
    max_age_us: int = 0

    @property
    def past_us(self) -> int:
        """How long before a head lists can be asked about what was, in microseconds."""
        return MARGIN_US + self.max_age_us

    def looks_back(self, max_age_us: int) -> bool:
        """Return whether its lists can be asked about what was so long ago; others are made for that."""
        return self.max_age_us >= max_age_us

    def has(self, feature: Feature) -> bool:
        """Return whether its lists can answer a feature; those of before it was declared may not."""
        if feature.column is not None and feature.column not in self.inputs:
            return False
        if self.kind == "state":
            return not feature.fill_last or feature.column in self.fills
        if feature.window_us is None:
            kept = self.has_lifetime and feature.offset_us <= self.offset_us
        else:
            kept = feature.window_us + feature.offset_us <= self.span_us
        return kept and (not self._folds(feature) or self._keeps(feature))

    def _folds(self, feature: Feature) -> bool:
        return self.hop_us is not None or feature.window_us is None

    def _keeps(self, feature: Feature) -> bool:
        wanted = state_of(feature)
        return wanted is not None and any(
            (kept.name, kept.column) == (wanted.name, wanted.column) and kept.n >= wanted.n for kept in self.folded
        )


def layout_of(view: FeatureView, max_age_us: int = 0) -> ListLayout:
    """Return what the lists of a typed view over a stream have to keep, for questions of so long ago."""
    source = view.source
    types = {**(source.columns or {}), **{item.name: item.dtype or "" for item in source.select}}
    windows = [feature for feature in view.features if feature.window_us is not None]
    lifetime = [feature for feature in view.features if view.kind == "event" and feature.window_us is None]
    span_us = max(((f.window_us or 0) + f.offset_us for f in windows), default=0)
    offset_us = max((f.offset_us for f in view.features), default=0)
    return ListLayout(
        kind="event" if view.kind == "event" else "state",
        inputs={item.name: item.dtype or "" for item in view.inputs},
        ties=tuple(types[name] for name in source.tiebreak),
        has_dedup=bool(source.dedup_key),
        closed=view.closed,
        hop_us=view.hop_us,
        span_us=max(span_us, offset_us),
        offset_us=offset_us,
        reach_us=span_us + AHEAD_US + MARGIN_US,
        ttl_us=view.ttl_us,
        fills=tuple(sorted({f.column for f in view.features if f.fill_last and f.column is not None})),
        folded=_folded(view.features if view.hop_us is not None and view.kind == "event" else lifetime),
        has_lifetime=bool(lifetime),
        max_age_us=max_age_us,
    )


def state_of(feature: Feature) -> FoldedState | None:
    """Return what has to be kept of rows to answer an aggregate of them; None where it needs the rows."""
    name = STATE_OF_OP.get(feature.op)
    if name is None:
        return None
    if feature.column is None:
        return FoldedState(name="rows", column=None)
    return FoldedState(name=name, column=feature.column, n=feature.n or 0)


def _folded(features: Iterable[Feature]) -> tuple[FoldedState, ...]:
    """Return the states of some aggregates, each once, with the greatest n."""
    found: dict[tuple[str, str | None], FoldedState] = {}
    for state in filter(None, map(state_of, features)):
        kept = found.get((state.name, state.column))
        if kept is None or kept.n < state.n:
            found[state.name, state.column] = state
    return tuple(found.values())


def layout_document(layout: ListLayout) -> str:
    """Return the document of a layout: canonical, so that equal layouts have equal bytes."""
    document = {name: getattr(layout, name) for name in ListLayout.__slots__}
    document |= {
        "format": FORMAT,
        "inputs": list(layout.inputs.items()),
        "folded": [[state.name, state.column, state.n] for state in layout.folded],
    }
    if not layout.max_age_us:
        del document["max_age_us"]  # as of before there was any
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def parse_layout(document: str | bytes) -> ListLayout:
    """Return a stored document as a layout.

    Raises:
        StoreError: a later version of featurectl wrote it, or it is none.
    """
    try:
        return _parsed(parse_json(document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        hint = "featurectl stream rebuild VIEW writes other lists; does another program write its keys?"
        raise StoreError("the online store holds a broken layout of lists", code=BROKEN, hint=hint) from error


def _parsed(found: dict[str, Any]) -> ListLayout:
    if found.pop("format") != FORMAT:
        raise StoreError(
            "the online store holds lists of a later format",
            code="FC602",
            hint="use the version of featurectl whose workers wrote them, or a later one",
        )
    inputs: Sequence[tuple[str, str]] = found.pop("inputs")
    folded = tuple(_state(*item) for item in found.pop("folded"))
    found |= {name: tuple(found[name]) for name in ("ties", "fills")}
    layout = ListLayout(inputs={name: _dtype(dtype) for name, dtype in inputs}, folded=folded, **found)
    numbers = [layout.span_us, layout.offset_us, layout.reach_us, layout.max_age_us]
    numbers += [layout.ttl_us or 0, layout.hop_us or 1]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(numbers)
    if layout.kind not in ("event", "state") or layout.closed not in get_args(Closed):
        raise ValueError(found)
    _ = [_dtype(dtype) for dtype in layout.ties]
    return layout


def _state(name: str, column: str | None, n: int) -> FoldedState:
    if name not in get_args(StateName) or not isinstance(n, int):
        raise ValueError(name, n)
    return FoldedState(name=name, column=column, n=n)  # type: ignore[arg-type]


def _dtype(text: str) -> str:
    if parse_dtype(text) != text:
        raise ValueError(text)
    return text
