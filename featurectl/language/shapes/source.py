"""The language, as it is written: sources."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.core.variables import has_variable
from featurectl.language.definitions.source import FILE_FORMAT_NAMES, FileFormatName
from featurectl.language.problems.report import Report
from featurectl.language.shapes.addresses import (
    CATALOGS,
    DATABASES,
    FOLDERS,
    CatalogAddress,
    DatabaseUrl,
    FolderAddress,
    check_address,
)
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.checks import CheckShape
from featurectl.language.shapes.rules import Apart, GoesWith, KeyRule, Needs, OneOf
from featurectl.language.shapes.stream import StreamShape
from featurectl.language.shapes.values import (
    VARIABLES,
    AnyText,
    Dtype,
    Duration,
    Listed,
    Mapped,
    Name,
    NamedMapped,
    Some,
    Text,
    fail,
    one_of,
    read_environment_text,
    read_text,
    text_schema,
    words_schema,
)

_SEPARATOR = re.compile(r"[\t !#-~]")
_TABLE = re.compile(r"(?![-+0-9])[^.\s$]+(\.[^.\s$]+)+")
_TABLE_WORDS = "a table is namespace.name"
_STAMPED = "when an event can be known, the worker that takes it says"


Format = Annotated[
    FileFormatName,
    PlainValidator(one_of(*FILE_FORMAT_NAMES)),
    WithJsonSchema(words_schema(*FILE_FORMAT_NAMES)),
]


Separator = Annotated[
    str,
    PlainValidator(read_text),
    WithJsonSchema(
        text_schema(f"^{_SEPARATOR.pattern}$", "a separator is one ASCII character, no quote")
        | {"type": ["string", "integer"], "minimum": 0, "maximum": 9}
    ),
]


NanChoice = Annotated[
    Literal["null", "keep"], PlainValidator(one_of("null", "keep")), WithJsonSchema({"enum": [None, "null", "keep"]})
]


def _read_table(node: object, info: ValidationInfo) -> str:
    text = read_environment_text(node, info)
    if not has_variable(text) and not _TABLE.fullmatch(text):
        fail(info, "FC104", f'"{text}" is no table: {_TABLE_WORDS}', node)
    return text


TableName = Annotated[
    str,
    PlainValidator(_read_table),
    WithJsonSchema(
        text_schema(rf"^(?={_TABLE.pattern}$|[\s\S]*\$\{{){VARIABLES.removeprefix('^')}", _TABLE_WORDS)
        | {"type": "string"}
    ),
]


def separates(text: str) -> bool:
    """Return whether a text can separate the columns of a CSV file.

    >>> separates("|"), separates(";;"), separates('"')
    (True, False, False)
    """
    return _SEPARATOR.fullmatch(text) is not None


class CsvShape(ObjectShape):
    """How a CSV file is written."""

    what: ClassVar[str] = "csv"
    separator: Separator | None = Field(None, description="The one character between columns; a comma when left out.")
    null_values: Listed[AnyText] | None = Field(
        None,
        description="The texts that mean null; the empty one when left out. An empty field without quotes always is.",
    )
    timestamp_format: Text | None = Field(
        None, description="How timestamps are written, in the words of strftime.", examples=["%d.%m.%Y %H:%M"]
    )

    def check_keys(self, report: Report) -> None:
        """The separator is one character that a reader of CSV can look for."""
        if self.separator is not None and not separates(self.separator):
            message = f'"{self.separator}" can\'t separate columns: a separator is one ASCII character, no quote'
            report.error("FC104", message, self.fields.place("separator"))


class SqlShape(ObjectShape):
    """A query against a database."""

    what: ClassVar[str] = "sql"
    url: DatabaseUrl = Field(description="The database: a SQLAlchemy URL.", examples=["${WAREHOUSE_URL}"])
    query: Text = Field(
        description="The rows. `:since` in it is the time up to which rows were read before, so that only new ones "
        "are asked for; without it the query is read whole each time.",
        examples=["select * from orders where updated_at >= :since"],
    )

    def check_keys(self, report: Report) -> None:
        """The address is one of databases."""
        super().check_keys(report)
        check_address(self.url, DATABASES, self.fields.place("url"), report)


class IcebergShape(ObjectShape):
    """An Iceberg table, by the catalog that knows it."""

    what: ClassVar[str] = "iceberg"
    table: TableName = Field(description="The table: `namespace.name`.", examples=["shop.orders"])
    catalog: CatalogAddress = Field(
        "",
        description="The catalog: `sqlite:///` or `postgresql://` of an SQL catalog, `https://` of a REST catalog, "
        "`thrift://`, `glue://`, or the name of one in the configuration of pyiceberg; its default when left out.",
        examples=["sqlite:///lake/catalog.db", "${CATALOG_URL}", "prod"],
    )

    def check_keys(self, report: Report) -> None:
        """The address is one of catalogs."""
        super().check_keys(report)
        if self.catalog:
            check_address(self.catalog, CATALOGS, self.fields.place("catalog"), report)


class FreshnessShape(ObjectShape):
    """How old something may be, for `status`."""

    what: ClassVar[str] = "freshness"
    warn_after: Duration | None = Field(None, description="Older than this, `status` says WARN and exits with 0.")
    error_after: Duration | None = Field(None, description="Older than this, `status` says STALE and exits with 1.")

    def check_keys(self, report: Report) -> None:
        """The warning comes first."""
        if self.warn_after and self.error_after and self.warn_after > self.error_after:
            place = self.fields.place("warn_after")
            report.error("FC104", '"warn_after" is longer than "error_after"', place)


class SourceShape(ObjectShape):
    """Where rows come from, and their two clocks: when a row was true, and when it could be known."""

    what: ClassVar[str] = "source"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        OneOf(("path", "sql", "iceberg", "stream")),
        GoesWith(("format", "csv"), "path"),
        GoesWith(("history",), "stream"),
        Needs("stream", ("columns", "event_time")),
        *(Apart("stream", key, reason=_STAMPED) for key in ("available_at", "delay", "lateness")),
        Apart("available_at", "delay"),
        GoesWith(("lateness",), "dedup_key"),
    )
    later_rules: ClassVar[tuple[KeyRule, ...]] = (
        GoesWith(("available_at", "delay", "tiebreak"), "event_time"),
        Needs("lateness", ("event_time", "dedup_key")),
    )
    name: Name = Field(description="The source's name; feature views and spines say `source: NAME`.")
    path: FolderAddress | None = Field(
        None,
        description="Files below the repository or an object store: Parquet, CSV, NDJSON, a Delta table; globs too.",
        examples=["data/orders.parquet", "data/orders/*.csv"],
    )
    format: Format | None = Field(None, description="The files' format, where their names don't tell it.")
    csv: CsvShape | None = Field(None, description="How the CSV is written, where it is not the usual way.")
    sql: SqlShape | None = Field(None, description="A query against a database, in place of files.")
    iceberg: IcebergShape | None = Field(None, description="An Iceberg table, in place of files.")
    stream: StreamShape | None = Field(
        None, description="A topic of events, in place of files; it needs `columns` and `event_time`."
    )
    history: Name | None = Field(
        None, description="The source with the same columns, of files or a query, for the time before the stream."
    )
    event_time: Text | None = Field(
        None,
        description="The column that says when a row was true. Without it the source is static: its rows count as "
        "true and known at every time, so an edit of it changes the past.",
    )
    available_at: Text | None = Field(
        None,
        description="The column that says when a row could first be known. A feature at time t sees only rows with "
        "available_at <= t. Left out: `event_time` plus `delay`.",
    )
    delay: Duration | None = Field(
        None, description="How long after `event_time` a row can be known, where no column says it."
    )
    lateness: Duration | None = Field(
        None,
        description="How late rows may come: a query with `:since` looks back so far again, from the newest "
        "`available_at` that was read, or `event_time` where there is none. Needs `dedup_key`.",
    )
    timezone: Text | None = Field(
        None,
        description="The zone of timestamps that have none, and of dates; UTC when left out.",
        examples=["America/New_York"],
    )
    nan: NanChoice = Field("null", description="What NaN is: null (the default), or a number to `keep`.")
    columns: Mapped[Dtype] | None = Field(
        None, description="The columns with their types. CSV and NDJSON need them for types to be checked early."
    )
    select: NamedMapped[AnyText] | None = Field(
        None,
        description="More columns: a name, and an SQL expression over the columns of the row.",
        examples=[{"late": "arr_delay > 15"}],
    )
    tiebreak: Listed[Text] = Field(
        (), description="Columns that order rows of one entity, event_time and available_at, the last being greatest."
    )
    dedup_key: Some[Text] | None = Field(
        None,
        description="Columns that name an event: of several copies, the one that was available first counts, of "
        "several such the first to happen, then the greatest `tiebreak`.",
    )
    freshness: FreshnessShape | None = Field(None, description="How old the source may be, by its last available_at.")
    checks: Listed[CheckShape] = Field((), description="Checks of the rows that are read.")
    description: Text = Field("", description="What a row is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")

    def check_keys(self, report: Report) -> None:
        """A path is one of a file, here or in an object store."""
        super().check_keys(report)
        if self.path is not None:
            check_address(self.path, FOLDERS, self.fields.place("path"), report)
