"""Views and frames of rows that the tests of online stores share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from featurectl.core.frames.types import polars_dtype
from featurectl.online.base import OnlineView, VersionedBy

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UTC_US = pl.Datetime("us", "UTC")
ALL_TYPES = {
    "name": "string",
    "n": "int64",
    "x": "float64",
    "yes": "bool",
    "at": "timestamp",
    "on": "date",
    "price": "decimal(38,2)",
    "names": "list(string)",
    "times": "list(timestamp)",
    "prices": "list(decimal(10,2))",
    "days": "list(date)",
}
FULL = (
    "Zoë ✈ \x00 }",
    -(2**63),
    0.1,
    True,
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    date(9999, 12, 31),
    Decimal("-999999999999999999999999999999999999.10"),
    ["a", None, ""],
    [T0, None],
    [Decimal("1.10")],
    [date(1969, 12, 31)],
)


def view(  # noqa: PLR0913  # most have a default
    features: Mapping[str, str],
    keys: Mapping[str, str] | None = None,
    *,
    project: str | None = None,
    env: str = "dev",
    name: str = "spend",
    version: int = 1,
    versioned_by: VersionedBy = "event",
) -> OnlineView:
    """Return a view version, in a project of its own unless one is named."""
    return OnlineView(
        project=project or f"p{uuid.uuid4().hex[:12]}",
        env=env,
        view=name,
        version=version,
        keys={"customer": "string"} if keys is None else keys,
        features=features,
        versioned_by=versioned_by,
    )


def frame(  # noqa: PLR0913  # most have a default
    of: OnlineView,
    keys: Sequence[Sequence[object]],
    values: Sequence[Sequence[object]],
    *,
    event_time: datetime | None = T0,
    available_at: datetime | None = T0,
    computed_at: datetime = T0,
) -> pl.DataFrame:
    """Return rows of a view, all with the same instants."""
    dtypes = {**of.keys, **of.features}
    columns = {name: [*column] for name, column in zip(of.keys, zip(*keys, strict=True), strict=True)}
    columns |= {name: [row[at] for row in values] for at, name in enumerate(of.features)}
    made = pl.DataFrame([pl.Series(n, c, dtype=polars_dtype(dtypes[n]), strict=True) for n, c in columns.items()])
    return made.with_columns(
        pl.lit(event_time, UTC_US).alias("event_time"),
        pl.lit(available_at, UTC_US).alias("available_at"),
        pl.lit(computed_at, UTC_US).alias("computed_at"),
    )
