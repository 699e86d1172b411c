"""What the objects of a repository mean: names looked up, durations parsed, expressions typed, `"*"` expanded.

These are the types that every layer below the YAML works with. They are made by `language/resolve/` from
`language/shapes/`, for files and for definitions kept in a registry alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.gates import Canary, Gates
from featurectl.language.syntax.place import Place

Closed = Literal["left", "right", "both", "none"]
MissingPolicy = Literal["use", "warn", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What people say of an object; it can't change a value (the metadata fingerprint covers it)."""

    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old an object's newest availability may be."""

    warn_after_us: int | None = None
    error_after_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Join keys with their types, in the order of the file: one of KEY_TYPES each."""

    name: str
    keys: Mapping[str, str]
    about: About = About()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedExpression:
    """A column by expression; `dtype` is None while the types of the source are not known."""

    name: str
    expression: Expression
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """How a CSV file is written."""

    separator: str = ","
    null_values: tuple[str, ...] = ("",)
    timestamp_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuery:
    """`url` may hold `${NAME}`, unexpanded; `query` may hold `:since`."""

    url: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What has to be true of the rows that are read, together.

    `column` is None for "row_count" and "sql". `low` and `high` are the ends of "between" and "row_count", both
    allowed (None: no end), `values` those of "in", `share` that of "max_null_rate", `text` the pattern of "matches"
    or the query of "sql", which finds the rows that are wrong.
    """

    kind: Literal["not_null", "unique", "between", "in", "matches", "max_null_rate", "row_count", "sql"]
    column: str | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[bool | int | float | str, ...] = ()
    share: float | None = None
    text: str = ""
    severity: Literal["warn", "error"] = "error"

    @property
    def label(self) -> str:
        """What it asks, in the words of the file.

        >>> Check(kind="between", column="delay", low=-180.0, high=2000.0).label
        'delay between -180 and 2000'
        >>> Check(kind="row_count", low=1.0).label, Check(kind="in", column="c", values=("a", 1)).label
        ('row_count at least 1', 'c in "a", 1')
        """
        of_column = f"{self.column} {self.kind}"
        match self.kind:
            case "between":
                return f"{of_column} {self.low:.15g} and {self.high:.15g}"
            case "row_count":
                most = "" if self.high is None else f" and at most {self.high:.15g}"
                return f"row_count at least {self.low:.15g}{most}"
            case "in":
                return f"{of_column} {', '.join(json.dumps(value, ensure_ascii=False) for value in self.values)}"
            case "max_null_rate":
                return f"{of_column} {self.share:.15g}"
            case "matches" | "sql":
                return f"{of_column} {self.text}" if self.column else f"sql {' '.join(self.text.split())}"
            case _:
                return of_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows come from and which clocks they carry.

    `format` is "stream" for a stream, which no batch command reads. `columns` are the columns of the files
    before `select`, with their types where known (`unknown` for a CSV header); None when not even their names are.
    No `event_time`: the source is static. `available_at` and `delay_us` exclude each other.
    """

    name: str
    format: Literal["parquet", "csv", "ndjson", "delta", "sql", "stream"]
    path: str = ""  # unexpanded, relative to the repository's root
    sql: SqlQuery | None = None
    csv: CsvOptions = CsvOptions()
    event_time: str | None = None
    available_at: str | None = None
    delay_us: int | None = None
    lateness_us: int | None = None
    timezone: str = "UTC"
    nan: Literal["null", "keep"] = "null"
    columns: Mapping[str, str] | None = None
    columns_declared: bool = False  # the file says `columns:`; else they were read from the data
    select: tuple[NamedExpression, ...] = ()
    tiebreak: tuple[str, ...] = ()
    dedup_key: tuple[str, ...] = ()
    freshness: Freshness | None = None
    checks: tuple[Check, ...] = ()
    about: About = About()

    @property
    def static(self) -> bool:
        """True when the rows carry no time: true and known always."""
        return self.event_time is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLineFile(Source):
    """A file that a command's argument names: whoever runs the command says that it is to be read, wherever it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One stored feature of a view.

    A state feature: `op` is "latest", `column` the table column that it reads. An aggregate: `op` is one of the
    language's aggregates over `column` (None: rows are counted) in `[t - offset - window, t - offset)`;
    `window_us` None means lifetime. `column` names a column of the view's offline table (`FeatureView.inputs`).
    `dtype` is None while the types of the source are not known.
    """

    name: str
    op: str
    column: str | None
    dtype: str | None
    window_us: int | None = None
    offset_us: int = 0
    n: int | None = None
    q: float | None = None
    default: bool | int | float | str | None = None
    fill_last: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A row-level feature over others, computed when read; `asof` is the row's time t."""

    name: str
    expression: Expression
    dtype: str | None
    default: bool | int | float | str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A Python function that makes a view's rows: its file, relative to the repository, and the file's text.

    It takes the view's source and then `others`, one argument each. `lookback_us` is how far back a new row's answer
    can look; None: it needs the whole source.
    """

    path: str
    function: str
    text: str
    lookback_us: int | None = None
    others: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """A named group of features of one entity from one source.

    kind "event": aggregates over windows; "state": the latest row; "transform": a Python function's output, read
    as a state view. `inputs` are the columns that the offline table keeps besides keys and times, in order, by
    expressions over the source's columns and its `select` (an aggregate's own `where` is folded into its input:
    the value where it is true, else null). `join` maps every entity key to a source column.
    """

    name: str
    kind: Literal["event", "state", "transform"]
    entity: Entity | None
    source: Source
    join: Mapping[str, str]
    where: Expression | None
    inputs: tuple[NamedExpression, ...]
    features: tuple[Feature, ...]
    derived: tuple[Derived, ...] = ()
    transform: Transform | None = None
    ttl_us: int | None = None
    closed: Closed = "left"
    hop_us: int | None = None
    online: bool = True
    refresh_us: int | None = None
    retention_us: int | None = None
    freshness: Freshness | None = None
    checks: tuple[Check, ...] = ()
    about: About = About()

    @property
    def keys(self) -> tuple[str, ...]:
        """The entity's key names in order; empty for a view without an entity."""
        return tuple(self.key_types)

    @property
    def key_types(self) -> Mapping[str, str]:
        """The entity's keys and their types, in order; empty for a view without an entity."""
        return self.entity.keys if self.entity else {}

    @property
    def delay_us(self) -> int | None:
        """How long after its event time every row is available; None where rows say that themselves."""
        if self.transform is not None or self.source.available_at is not None:
            return None
        return self.source.delay_us or 0

    def dtype_of(self, feature: str) -> str | None:
        """Return the type of a stored or derived feature; KeyError when the view has none of that name."""
        types = {f.name: f.dtype for f in self.features} | {d.name: d.dtype for d in self.derived}
        return types[feature]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the model predicts. By expression over the spine's row, or (`horizon_us`) an aggregate over [t, t+h)."""

    name: str
    expression: Expression | None  # None: the spine column of that name
    dtype: str | None
    entity: Entity | None = None
    source: Source | None = None
    op: str | None = None
    column: str | None = None
    where: Expression | None = None
    horizon_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """The moments at which a model is asked: rows of a source, at the column `time`."""

    source: Source
    time: str
    where: Expression | None = None
    label: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInput:
    """A column of the training set that comes from a view; `join` maps each entity key to a spine column.

    `model_dtype` is the type or "category"; `categories` None means those of the training set.
    """

    name: str
    view: str
    feature: str
    join: Mapping[str, str]
    dtype: str | None
    model_dtype: str | None
    default: bool | int | float | str | None = None
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInput:
    """A column that the caller brings: a spine column in training, part of the request online."""

    name: str
    dtype: str
    model_dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedInput:
    """A row-level column over request columns and features of the model."""

    name: str
    expression: Expression
    dtype: str | None
    default: bool | int | float | str | None = None


ModelInput = FeatureInput | RequestInput | DerivedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """How a model is made: an importable estimator, or a command (`run`).

    It is judged on the last `split_fraction` of the spine's rows by time, or on all rows of `validation_source`.
    """

    estimator: str | None = None
    run: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    split_fraction: float = 0.25
    validation_source: Source | None = None
    sample: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model bound to features: `inputs` are its columns in order, the columns of the model's matrix."""

    name: str
    spine: Spine
    inputs: tuple[ModelInput, ...]
    trainer: Trainer | None = None
    output_name: str = "score"
    output_dtype: str | None = None
    allow_pickle: bool = False
    missing_no_row: MissingPolicy = "use"
    missing_stale: MissingPolicy = "use"
    missing_max_age_us: int | None = None
    gates: Gates | None = None
    canary: Canary | None = None
    about: About = About()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTest:
    """A unit test of a view: rows of its source in, values of its features out, one `expect` for each spine row.

    `others` are the rows of a transform's other sources, by their names.

    Values are as written: numbers, texts, true, false, None; times are ISO texts. `expect` names only the columns
    that it compares.
    """

    name: str
    view: FeatureView
    rows: tuple[Mapping[str, object], ...]
    spine: tuple[Mapping[str, object], ...]
    expect: tuple[Mapping[str, object], ...]
    place: Place
    others: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTest:
    """A unit test of a model: rows of its views' sources in, columns of its training set out.

    `views` are those that the model reads, `rows` those of each source that has any, by its name. The spine's rows hold
    its columns, the time by its name in the spine. Values are as in `FeatureTest`.
    """

    name: str
    model: Model
    views: Mapping[str, FeatureView]
    rows: Mapping[str, tuple[Mapping[str, object], ...]]
    spine: tuple[Mapping[str, object], ...]
    expect: tuple[Mapping[str, object], ...]
    place: Place
