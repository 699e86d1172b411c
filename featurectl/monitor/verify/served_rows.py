"""Values that were served of one view version, and what the offline table gives at the same instants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from featurectl.engines.base import Engine, ViewBuckets
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.equal import compare, loose_features
from featurectl.operations.training.as_served import answer_pushed
from featurectl.operations.views import BoundView
from featurectl.pit.keys import AskedSpine

TIME: Final = "\x00time"
_KNOWN: Final = "\x00known"
RowChange = Callable[[pl.DataFrame, int], pl.DataFrame]  # of the rows of a bucket, by its number


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRows:
    """Values of some rows, `names` (as they are shown) of features of a view version.

    `keys` are the view's own, `at` the instant for which each row's values are true, `read_at` the moment of reading
    (the same for a state view), `pushed` the push that its values come from, as far as that is known. `known`, of rows
    that are events, is up to when what was available counts (None: `at`), `logged` when a row was noted. `defaults` are
    the model's.
    `stored`: the values are as the store keeps them, before defaults, whatever the ttl. `expired`: the row was asked
    to be.
    """

    bound: BoundView
    names: Mapping[str, str]
    defaults: Mapping[str, object]
    keys: pl.DataFrame
    at: pl.Series
    read_at: pl.Series
    pushed: pl.Series
    expired: pl.Series
    values: pl.DataFrame
    stored: bool = False
    known: pl.Series | None = None
    logged: pl.Series | None = None

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.values.height

    @property
    def loose(self) -> frozenset[str]:
        """The names whose floats need not be equal to the bit."""
        loose = loose_features(self.bound.view)
        return frozenset(name for name, feature in self.names.items() if feature in loose)

    def some(self, chosen: pl.Series) -> ServedRows:
        """Return some of the rows: a mask, or their places (which may repeat)."""
        kept = chosen.arg_true() if chosen.dtype == pl.Boolean else chosen
        keys = self.keys[kept] if self.keys.width else self.keys
        names = ["at", "read_at", "pushed", "expired", "values"]
        names += [name for name in ("known", "logged") if getattr(self, name) is not None]
        columns = {name: getattr(self, name)[kept] for name in names}
        return replace(self, keys=keys, **columns)

    def of(self, names: Sequence[str]) -> ServedRows:
        """Return the rows with some of their values."""
        features = {name: self.names[name] for name in names}
        defaults = {feature: value for feature, value in self.defaults.items() if feature in features.values()}
        return replace(self, names=features, defaults=defaults, values=self.values.select(names))

    @property
    def asked(self) -> pl.Series:
        """The instants up to which rows of the table count."""
        return self.at if self.known is None else self.known

    def spine(self, at: pl.Series) -> pl.DataFrame:
        """Return the entities at some instants, as the engine is asked for them."""
        return pl.DataFrame([*self.keys.get_columns(), at.alias(TIME)])

    def wrong(self, computed: pl.DataFrame, tolerance: float) -> pl.DataFrame:
        """Return which of the values that were computed differ from those that were served."""
        return compare(self.values, computed, self.loose, tolerance)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuestion:
    """How the offline table is asked: of another version, at other instants, with other rows.

    `known`: what was available by then counts, in place of the `known` of the rows.
    `pushed`: the values are those of such a push, the ttl is judged at `at`. `blank`: as if there were no values.
    """

    bound: BoundView | None = None
    at: pl.Series | None = None
    known: pl.Series | None = None
    pushed: pl.Series | None = None
    change: RowChange | None = None
    blank: bool = False
    plain: bool = False  # without any default


def computed(engine: Engine, served: ServedRows, asking: TableQuestion | None = None) -> pl.DataFrame:
    """Return what the offline table gives for each row, by the names that are shown.

    A version of the view that lacks some of the features gives the others.

    Raises:
        DataError: the table lacks an input of a feature. StoreError: it can't be read.
    """
    asking = asking or TableQuestion()
    bound = asking.bound or served.bound
    there = {f.name for f in bound.view.features} | {d.name for d in bound.view.derived}
    names = {name: feature for name, feature in served.names.items() if feature in there}
    table = bound.pruned(set(names.values()))
    if asking.change is not None:
        change = asking.change
        table = replace(table, read=lambda bucket: change(bound.read(bucket), bucket))
    at = served.at if asking.at is None else asking.at
    values = _answered(engine, table, served, replace(asking, at=at))
    if asking.blank:
        values = values.clear(values.height)
    if served.stored:
        return values.select(pl.col(feature).alias(name) for name, feature in names.items())
    view, defaults = table.view, served.defaults
    if asking.plain:
        view, defaults = _without_defaults(table.view), {}
    asof = at if asking.pushed is None or view.kind != "event" else asking.pushed
    finished = engine.finish(values, view, asof, {k: v for k, v in defaults.items() if k in there})
    return finished.select(pl.col(feature).alias(name) for name, feature in names.items())


def _answered(engine: Engine, table: ViewBuckets, served: ServedRows, asking: TableQuestion) -> pl.DataFrame:
    """Return the stored features at the instants of a question."""
    at, known = asking.at, served.known if asking.known is None else asking.known
    assert at is not None
    pushed = asking.pushed
    if pushed is not None and table.view.kind != "event":
        return answer_pushed(engine, table, served.spine(at), TIME, pushed)
    if pushed is not None or known is None:
        return engine.answer(table, served.spine(at if pushed is None else pushed), TIME)
    spine = served.spine(at).with_columns(known.alias(_KNOWN))
    return engine.answer(table, AskedSpine(spine, table.view.keys, TIME, _KNOWN), TIME)


def _without_defaults(view: FeatureView) -> FeatureView:
    features = tuple(replace(f, default=None) for f in view.features)
    return replace(view, features=features, derived=tuple(replace(d, default=None) for d in view.derived))
