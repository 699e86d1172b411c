"""What any engine gives a Python transform, and makes of what it returns; failures name the line of its text."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.engines.base import FrameScan, Piece, SourceRows
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import Check, Source
from featurectl.language.definitions.view import Feature, FeatureView, Transform

AT = datetime(2024, 1, 1, tzinfo=UTC)
EARLIER = AT - timedelta(days=1)
ROWS = pl.LazyFrame({"k": ["a", "b"], "v": [1, 2], "event_time": [AT, AT], "available_at": [AT, AT]})


def view_of(text, function="f", path="folder/made.py", **types):
    return FeatureView(
        name="made",
        kind="transform",
        entity=Entity(name="key", keys={"k": "string"}),
        source=Source(name="rows", format="parquet", event_time="event_time", available_at="available_at"),
        join={"k": "k"},
        where=None,
        inputs=(),
        features=tuple(Feature(name=n, op="latest", column=n, dtype=t) for n, t in (types or {"v": "int64"}).items()),
        transform=Transform(path=path, function=function, text=text),
    )


@pytest.fixture
def run(engine):
    """Run a view's function on ROWS."""
    return lambda view: engine.transform(
        view, [SourceRows(source=view.source, scan=FrameScan(rows=ROWS), until=AT)]
    ).collect()


@pytest.fixture
def refused(run):
    """The error that a text ends with."""

    def error(text, **types) -> DataError:
        with pytest.raises(DataError) as caught:
            run(view_of(text, **types))
        return caught.value

    return error


def test_what_it_returns_is_cut_to_what_the_view_declares(run):
    text = "def f(rows):\n    return rows.with_columns(more=1).select('more', 'v', 'k', 'available_at', 'event_time')\n"
    made = run(view_of(text))
    assert made.columns == ["k", "event_time", "available_at", "v"]
    assert made["v"].to_list() == [1, 2]


def test_a_data_frame_will_do_and_so_does_any_python_of_a_module(run):
    text = """from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Pair:
    first: int

def f(rows):
    return rows.collect().with_columns(v=Pair(first=7).first)
"""
    assert run(view_of(text))["v"].to_list() == [7, 7]


def test_two_texts_of_one_path_each_run_as_they_are(run):
    old = view_of("STEP = 1\ndef f(rows):\n    return rows.with_columns(v=STEP)\n")
    new = view_of("STEP = 2\ndef f(rows):\n    return rows.with_columns(v=STEP)\n")
    assert [run(v)["v"][0] for v in (old, new, old)] == [1, 2, 1]


def test_what_it_prints_does_not_get_among_results(run, capsys):
    run(view_of("def f(rows):\n    print('hello')\n    return rows\n"))
    assert capsys.readouterr() == ("", "hello\n")


UNKNOWN = 'unable to find column "nope"; valid columns: ["k", "v", "event_time", "available_at"]'
FAILURES = [
    ("def f(rows):\n    x = 1\n    return rows[x / 0]\n", "3: f failed: ZeroDivisionError: division by zero"),
    ("def f(rows):\n    return g(rows)\n\ndef g(rows):\n    raise KeyError('x')\n", "5: f failed: KeyError: 'x'"),
    ("def f(rows):\n    raise SystemExit(3)\n", "2: f failed: SystemExit: 3"),
    ("def f(rows):\n    raise ValueError\n", "2: f failed: ValueError"),
    ("import no_such_module\n\ndef f(rows):\n    return rows\n",
     "1: f failed: ModuleNotFoundError: No module named 'no_such_module'"),
    ("def f(a, b):\n    return a\n", "1: f failed: TypeError: f() missing 1 required positional argument: 'b'"),
    ("x = 1\n\ndef f(rows):\n    return rows.with_columns(y='nope')\n",
     "3: f failed: ColumnNotFoundError: " + UNKNOWN),
    ("def f(rows):\n    return rows.map_batches(g)\n\ndef g(frame):\n    return frame.nothing\n",
     "5: f failed: AttributeError: 'DataFrame' object has no attribute 'nothing'"),
    ("def f(rows):\n    return rows\n    return (\n", "3: f failed: SyntaxError: '(' was never closed"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FAILURES)
def test_a_failure_names_the_line_of_the_text(refused, text, said):
    error = refused(text)
    assert (error.code, error.message) == ("FC521", f"folder/made.py:{said}")
    if "KeyError" in said:
        shown = "".join(traceback.format_exception(error))
        assert 'File "folder/made.py", line 5, in g' in shown
        assert "raise KeyError('x')" in shown


RESULTS = [
    ("None", "returned NoneType", "it must return a LazyFrame or a DataFrame"),
    ("rows.select('v')", 'returned no column "k"', "returned: v"),
    ("rows.rename({'v': 'w'})", 'returned no column "v"', "returned: k, w, event_time, available_at"),
    ("rows.rename({'available_at': 'availabel_at'})", 'returned no column "available_at"',
     'did you mean "availabel_at"?'),
    ("rows.with_columns(v=pl.lit('x'))", 'returned "v" as string, and the view declares int64',
     'cast it: pl.col("v").cast(...)'),
    ("rows.with_columns(v=pl.lit(1.5))", 'returned "v" as float64, and the view declares int64',
     'cast it: pl.col("v").cast(...)'),
    ("rows.with_columns(v=pl.lit(2**64 - 1, dtype=pl.UInt64))", 'returned a value of "v" that does not fit int64', ""),
    ("rows.with_columns(event_time=pl.lit('x'))", 'returned "event_time" as string, and the view declares timestamp',
     'cast it: pl.col("event_time").cast(...)'),
    ("rows.with_columns(available_at=None)", 'returned 2 rows of 2 without "available_at"',
     "every row needs its keys and both clocks: leave it out, or fill it"),
    ("rows.with_columns(k=pl.when(pl.col('v') > 1).then('k'))", 'returned 1 row of 2 without "k"',
     "every row needs its keys and both clocks: leave it out, or fill it"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "said", "hint"), RESULTS)
def test_a_result_that_is_not_as_declared_is_refused(refused, made, said, hint):
    error = refused(f"import polars as pl\n\ndef f(rows):\n    return {made}\n")
    assert (error.code, error.message, error.hint) == ("FC522", f"folder/made.py: f {said}", hint)


WIDENED = [
    ("pl.lit(3, dtype=pl.Int8)", "int64", 3),
    ("pl.lit(3, dtype=pl.Int64)", "float64", 3.0),
    ("pl.lit(0.5, dtype=pl.Float32)", "float64", 0.5),
    ("pl.lit('x', dtype=pl.Categorical)", "string", "x"),
    ("pl.lit(None)", "decimal(9,2)", None),
    ("pl.lit('1.25').cast(pl.Decimal(38, 4))", "decimal(9,2)", Decimal("1.25")),
    ("pl.lit(datetime(2024, 1, 1)).cast(pl.Datetime('ns'))", "timestamp", AT),
    ("pl.lit(date(2024, 1, 1))", "timestamp", AT),
    ("pl.lit(date(2024, 1, 1))", "date", date(2024, 1, 1)),
    ("pl.lit([]).cast(pl.List(pl.Null))", "list(int64)", []),
    ("pl.concat_list(pl.lit(1, dtype=pl.Int16))", "list(int64)", [1]),
]


@pytest.mark.parametrize(("made", "dtype", "value"), WIDENED)
def test_a_column_of_another_width_becomes_the_declared_type(run, made, dtype, value):
    imports = "import polars as pl\nfrom datetime import date, datetime\n"
    text = f"{imports}\ndef f(rows):\n    return rows.with_columns(v={made})\n"
    assert run(view_of(text, v=dtype))["v"].to_list() == [value, value]


def test_a_view_without_an_entity_needs_no_key(run):
    view = replace(view_of("def f(rows):\n    return rows.drop('k')\n"), entity=None, join={})
    assert run(view).columns == ["event_time", "available_at", "v"]


def test_a_static_source_is_given_whole_and_without_clocks(engine):
    view = view_of("def f(rows):\n    return rows.with_columns(v=pl.lit(len(rows.collect_schema())).cast(pl.Int64))\n")
    view = replace(view, transform=replace(view.transform, text="import polars as pl\n" + view.transform.text))
    static = replace(view.source, event_time=None, available_at=None)
    made = engine.transform(view, [SourceRows(source=static, scan=FrameScan(rows=ROWS), until=EARLIER)]).collect()
    assert made["v"].to_list() == [4, 4]


CLOCKED = Source(name="rows", format="parquet", event_time="at", available_at="seen")
ONE_A_ROW = "def f(rows):\n    return rows.with_columns(v=rows.collect()['n'])\n"


def hour(number):
    return AT + timedelta(hours=number)


def clocked(*clocks):
    """Rows of one key by (event hour, available hour), numbered from 0."""
    at, seen = ([None if pair[i] is None else hour(pair[i]) for pair in clocks] for i in (0, 1))
    columns = {"at": at, "seen": seen}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Datetime("us", "UTC")))
    return frame.with_columns(k=pl.lit("a"), n=pl.int_range(len(clocks)), id=pl.int_range(len(clocks)) // 2).lazy()


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"until": 3}, [0, 1]),
        ({"available_after": 3}, [2, 3]),
        ({"available_after": 3, "happened_from": 1}, [1, 2, 3]),
    ],
)
def test_a_function_is_given_what_is_known_and_what_is_recent(engine, limits, numbers):
    rows = clocked((0, 2), (1, 3), (0, 4), (9, 9), (0, 99), (None, 2), (2, None))
    given = {"until": 20, **limits}
    asked = SourceRows(
        source=CLOCKED, scan=FrameScan(rows=rows), **{name: hour(number) for name, number in given.items()}
    )
    made = engine.transform(view_of(ONE_A_ROW), [asked]).collect()
    assert sorted(made["v"]) == numbers


def test_a_function_is_given_each_event_once(engine):
    source = replace(CLOCKED, dedup_key=("id",))
    asked = SourceRows(source=source, scan=FrameScan(rows=clocked((0, 5), (0, 2), (1, 3), (1, 9))), until=hour(20))
    assert sorted(engine.transform(view_of(ONE_A_ROW), [asked]).collect()["v"]) == [1, 2]


def test_a_look_tells_the_ends_of_the_clocks_and_what_is_left_out(engine):
    rows = clocked((3, 4), (1, 5), (2, 99), (None, 2), (2, None))
    source = replace(CLOCKED, checks=(Check(kind="not_null", column="at"), Check(kind="row_count", low=9)))
    found = engine.look(
        [
            Piece(scan=FrameScan(rows=rows), until=hour(20)),
            Piece(scan=FrameScan(rows=rows), until=hour(20), after=hour(4)),
        ],
        source,
    )
    assert (found.rows, found.held_back) == (5, (1, 1))
    assert (found.first_event, found.first_available, found.watermark) == (hour(1), hour(4), hour(5))
    assert found.dropped == {"null event_time": 1, "null available_at": 1}
    assert [(check.passed, check.rows) for check in found.checks] == [(False, 5), (False, 5)]


def test_a_look_at_no_row_tells_no_instant(engine):
    found = engine.look([Piece(scan=FrameScan(rows=clocked()), until=hour(20))], CLOCKED)
    assert (found.rows, found.held_back, found.first_event, found.watermark) == (0, (0,), None, None)


def test_the_newest_row_is_that_of_what_is_known_at_an_instant(engine):
    rows = clocked((3, 4), (1, 5), (2, 99), (30, 2), (None, 2), (2, None))
    scan = FrameScan(rows=rows)
    assert engine.newest(scan, CLOCKED, hour(20)) == (hour(3), hour(5))
    assert engine.newest(scan, CLOCKED, hour(1)) == (None, None)
    assert engine.newest(scan, replace(CLOCKED, event_time=None, available_at=None), hour(20)) == (None, None)
