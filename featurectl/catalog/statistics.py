"""How the values of features lie: of the newest model that was trained on them, from the profile beside its file."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import BOOL, DATE, INT64, TIMESTAMP
from featurectl.core.errors import DataError, FeaturectlError
from featurectl.core.units import SECOND_US, format_instant, from_us
from featurectl.language.renaming import current_names

if TYPE_CHECKING:
    from featurectl.language.definitions.view import FeatureView
    from featurectl.registry.state import ModelVersion, State

SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
BARS: Final = 10
_ENDS: Final = (0.01, 0.99)  # what lies beyond these is in the outer bars
_VERSION: Final = 1  # of a profile
ColumnDocument = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A share of the known values: those of one category, those above `low` up to `high` (the first: from it).

    Of whole numbers they are those from `low` to `high`.
    """

    label: str
    share: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStatistics:
    """The values of a feature: `rows` of them, NaN counted as null; of texts only the counts.

    `dtype` is the feature's. Of dates and timestamps numbers are seconds since 1970, of lists how long they are.

    `origin` says whose rows they are, `at` when they were looked at. `distinct` None: it was not counted. `least`,
    `greatest`, `mean`, `stddev` (of the whole, not of a sample) and the quantiles, by share, are of finite values;
    quantiles are at most a bin off, which holds about 1/256 of the rows. `bars` have shares of the known values.
    """

    feature: str
    dtype: str
    origin: str
    at: datetime
    rows: int
    nulls: int
    distinct: int | None = None
    least: float | None = None
    greatest: float | None = None
    mean: float | None = None
    stddev: float | None = None
    quantiles: Mapping[float, float] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()

    @property
    def null_share(self) -> float | None:
        """The share of the rows that have no value; None without rows."""
        return self.nulls / self.rows if self.rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnOrigin:
    """Whose values a column of a profile has, and of which type of the language they are."""

    feature: str
    dtype: str
    origin: str
    at: datetime


def describe_column(column: ColumnDocument, of: ColumnOrigin) -> FeatureStatistics:
    """Return the statistics of a column of a profile, as `models/profile` writes it."""
    shared = {
        "feature": of.feature,
        "dtype": of.dtype,
        "origin": of.origin,
        "at": of.at,
        "rows": column["n"],
        "nulls": column["nulls"],
    }
    if "categories" in column:
        return FeatureStatistics(**shared, distinct=column.get("distinct"), bars=tuple(_category_bars(column)))
    line = _Line.of(column)
    return FeatureStatistics(
        **shared,
        distinct=column.get("distinct"),
        least=column["min"],
        greatest=column["max"],
        mean=column["mean"],
        stddev=column["stddev"],
        quantiles={share: line.quantile(share) for share in SHARES} if line else {},
        bars=tuple(line.bars(of.dtype)) if line else (),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """The cumulative distribution of numbers: the share of the values up to each edge, the least value first."""

    edges: Sequence[float]
    below: Sequence[float]
    least: float
    greatest: float

    @classmethod
    def of(cls, column: ColumnDocument) -> _Line | None:
        """Return the line of a column; None where it has no finite value."""
        edges, counts = column["edges"], column["counts"]
        known = sum(counts)
        if not known or not edges or column["min"] is None or column["max"] is None:
            return None
        low, high = min(column["min"], edges[0]), max(column["max"], edges[-1])
        below = [0.0, *(count / known for count in accumulate(counts))]
        return cls([low, *edges, high], below, column["min"], column["max"])

    def quantile(self, share: float) -> float:
        """Return the edge up to which that share of the values lies."""
        return float(self.edges[min(bisect_left(self.below, share - 1e-12), len(self.edges) - 1)])

    def share_up_to(self, value: float) -> float:
        """Return the share of the values up to one; within a bin they are taken to lie evenly."""
        at = bisect_left(self.edges, value)
        if at == 0:
            return self.below[0]
        if at == len(self.edges):
            return self.below[-1]
        low, high = self.edges[at - 1], self.edges[at]
        part = (value - low) / (high - low) if high > low else 1.0
        return self.below[at - 1] + part * (self.below[at] - self.below[at - 1])

    def bars(self, dtype: str) -> Iterator[Bar]:
        """Yield bars of one width between the outer quantiles; what lies beyond them is in the first and the last."""
        low, high = self.quantile(_ENDS[0]), self.quantile(_ENDS[1])
        width = (high - low) / BARS
        if not 0 < width < float("inf"):
            yield Bar(label=format_value(low, dtype), share=1.0, low=low, high=high)
            return
        if dtype in (INT64, BOOL):
            yield from self._whole_bars(low, high)
            return
        bounds = [low + place * width for place in range(BARS)] + [high]
        shares = [0.0, *(self.share_up_to(bound) for bound in bounds[1:-1]), 1.0]
        ends = [self.least, *bounds[1:-1], self.greatest]  # what lies beyond the bounds is in the outer bars
        for (start, end), (before, after) in zip(pairwise(ends), pairwise(shares), strict=True):
            label = f"{format_value(start, dtype)} .. {format_value(end, dtype)}"
            yield Bar(label=label, share=after - before, low=start, high=end)

    def _whole_bars(self, low: float, high: float) -> Iterator[Bar]:
        """Yield bars of the same count of whole numbers each; the first and the last have what lies beyond them."""
        first, step = round(low), max(math.ceil((high - low + 1) / BARS), 1)
        before = 0.0
        for place in range(first, round(high) + 1, step):
            is_last = place + step - 1 >= high
            start = min(round(self.least), place) if place == first else place
            end = round(self.greatest) if is_last else place + step - 1
            share = 1.0 if is_last else self.share_up_to(end)
            label = f"{start:,}" if start == end else f"{start:,} .. {end:,}"
            yield Bar(label=label, share=share - before, low=start, high=end)
            before = share


def format_value(value: float | None, dtype: str) -> str:
    """Return a number of statistics as people read it, six digits of it; one of a time as an instant or a date.

    >>> format_value(1234567.0, "float64"), format_value(86400.0, "date"), format_value(None, "int64")
    ('1.23457e+06', '1970-01-02', '-')
    """
    if value is None:
        return "-"
    if dtype not in (DATE, TIMESTAMP):
        return f"{value:.6g}"
    instant = format_instant(from_us(round(value * SECOND_US)))
    return instant[:10] if dtype == DATE else instant


def _category_bars(column: ColumnDocument) -> Iterator[Bar]:
    counts, others = column["categories"], column["others"]
    known = sum(count for _, count in counts) + others
    for value, count in counts[:BARS]:
        yield Bar(label=str(value), share=count / known if known else 0.0)
    rest = sum(count for _, count in counts[BARS:]) + others
    if rest:
        yield Bar(label="others", share=rest / known)


def read_statistics(
    state: State, location: str, view: FeatureView, features: Iterable[str]
) -> dict[str, FeatureStatistics]:
    """Return the statistics of features of a view by their current names, of those that a trained model has.

    Of several models the newest is taken whose profile can be read, a retired one last, and one of the view's newest
    version before any other. `location` is the offline location, where the profiles lie.

    Raises:
        DataError: FC512, there are none, for the file of a profile is gone, or another.
        StoreError: the same, for it can't be read.
    """
    found: dict[str, FeatureStatistics] = {}
    profiles = _Profiles(location)
    stored = {current: name for name, current in current_names(view).items()}
    for name in features:
        feature = stored[name]
        version = profiles.first_readable(_trained_on(state, view.name, feature))
        if version is None:
            continue
        item = next(i for i in version.inputs if i.view == view.name and i.feature == feature)
        columns = profiles.columns_of(version)
        if item.name in columns:
            origin = f"training set of {version.model}@{version.version}, {view.name}@{item.view_version}"
            dtype = view.dtype_of(feature) or item.dtype
            of = ColumnOrigin(feature=f"{view.name}:{name}", dtype=dtype, origin=origin, at=version.created_at)
            found[name] = describe_column(columns[item.name], of)
    if profiles.errors and not found:
        raise profiles.errors[0]
    return found


def _trained_on(state: State, view: str, feature: str) -> list[ModelVersion]:
    """Return the model versions with a profile that has a feature, in the order in which they are asked."""
    current = state.current("feature_view", view)

    def rank(version: ModelVersion) -> tuple[bool, bool, datetime]:
        is_current = current is not None and version.view_versions.get(view) == current.version
        return version.status != "retired", is_current, version.created_at

    having = [
        version
        for version in state.model_versions
        if version.profile and any(i.view == view and i.feature == feature for i in version.inputs)
    ]
    return sorted(having, key=rank, reverse=True)


class _Profiles:
    """The profiles of model versions at a location, each read once; `errors` of those that can't be."""

    def __init__(self, location: str) -> None:
        self.errors: list[FeaturectlError] = []
        self._location = location
        self._read: dict[tuple[str, int], Mapping[str, ColumnDocument] | None] = {}

    def first_readable(self, versions: Iterable[ModelVersion]) -> ModelVersion | None:
        """Return the first version whose profile can be read."""
        return next((version for version in versions if self._found(version) is not None), None)

    def columns_of(self, version: ModelVersion) -> Mapping[str, ColumnDocument]:
        """Return the columns of a profile that can be read, by the names of the version's inputs."""
        return self._found(version) or {}

    def _found(self, version: ModelVersion) -> Mapping[str, ColumnDocument] | None:
        place = (version.model, version.version)
        if place not in self._read:
            try:
                self._read[place] = _columns_of(version, self._location)
            except FeaturectlError as error:
                self.errors.append(error)
                self._read[place] = None
        return self._read[place]


def _columns_of(version: ModelVersion, location: str) -> Mapping[str, ColumnDocument]:
    """Return the columns of a version's profile by the names of its inputs."""
    from featurectl.models.artifact import read_artifact

    document = parse_json(read_artifact(location, version.profile, version.profile_sha256))
    if document["schema_version"] != _VERSION:
        message = f"the profile of {version.model}@{version.version} is of schema version {document['schema_version']}"
        raise DataError(message, code="FC512", hint=f"this featurectl reads {_VERSION}: use the one that trained it")
    return {column["name"]: column for column in document["columns"] if column["kind"] == "feature"}
