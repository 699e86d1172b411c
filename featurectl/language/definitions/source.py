"""Sources, as they are declared: where rows are, what their columns mean, and what is checked of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import NOTHING_SAID, About, Freshness
from featurectl.language.definitions.stream import Stream

FileFormatName = Literal["parquet", "csv", "ndjson", "delta"]
SourceFormat = Literal[FileFormatName, "sql", "stream", "iceberg"]
FILE_FORMAT_NAMES: Final[tuple[FileFormatName, ...]] = get_args(FileFormatName)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormatRules:
    """What the language knows of a format of files.

    `suffixes` are the ends of names that mean it, `path_suffixes` more of them in the `path` of a source;
    `folder_pattern` matches those of its files in a folder (None: the folder itself is the data). `has_times` is
    whether a value can be a time without a text being read as one.
    """

    suffixes: tuple[str, ...] = ()
    path_suffixes: tuple[str, ...] = ()
    folder_pattern: str | None = None
    has_times: bool = True


FILE_FORMATS: Final[Mapping[SourceFormat, FileFormatRules]] = {
    "parquet": FileFormatRules(suffixes=(".parquet",), path_suffixes=(".pq",), folder_pattern="parquet"),
    "csv": FileFormatRules(suffixes=(".csv",), path_suffixes=(".tsv",), folder_pattern="csv"),
    "ndjson": FileFormatRules(suffixes=(".ndjson", ".jsonl"), folder_pattern="*json*", has_times=False),
    "delta": FileFormatRules(path_suffixes=(".delta",)),
}


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
class IcebergName:
    """An Iceberg table as a source names it: `table` is `namespace.name`. Both may hold `${NAME}`, unexpanded.

    `catalog` is an address, or the name of a catalog in the configuration of pyiceberg ("": its default).
    """

    table: str
    catalog: str = ""


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

    `format` is "stream" for a stream, which no batch command reads: it has a `stream`, no availability of its own,
    for a worker stamps each event, and perhaps a `history`, the batch source for the time before. `columns` are the
    columns of the files before `select`, with their types where known (`unknown` for a CSV header); None when not even
    their names are. No `event_time`: the source is static. `available_at` and `delay_us` exclude each other.
    """

    name: str
    format: SourceFormat
    path: str = ""  # unexpanded, relative to the repository's root
    sql: SqlQuery | None = None
    stream: Stream | None = None
    iceberg: IcebergName | None = None
    history: Source | None = None
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
    about: About = NOTHING_SAID

    @property
    def static(self) -> bool:
        """True when the rows carry no time: true and known always."""
        return self.event_time is None

    @property
    def place(self) -> str:
        """What errors call the place of its columns: its path, as it is written, its table, or "its query"."""
        return self.path or (f"table {self.iceberg.table}" if self.iceberg is not None else "its query")

    @property
    def is_stream(self) -> bool:
        """True for events that come one by one."""
        return self.format == "stream"

    @property
    def csv_options(self) -> CsvOptions | None:
        """How its files spell values; None where they are no CSV."""
        return self.csv if self.format == "csv" else None

    @property
    def has_times(self) -> bool:
        """False where its files have no times: a text that looks like one stays a text."""
        rules = FILE_FORMATS.get(self.format)
        return rules is None or rules.has_times


# In place of one that nothing has declared: what else is wrong with an object over it is found all the same.
UNKNOWN_SOURCE: Final = Source(name="", format="parquet", event_time="event_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLineFile(Source):
    """A file that a command's argument names: whoever runs the command says that it is to be read, wherever it lies."""
