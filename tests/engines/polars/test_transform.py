"""A Python function runs from its text; whatever goes wrong in it is told with its file and line."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from featurectl.engines.polars.transform import run_transform
from featurectl.errors import DataError
from featurectl.spec.definition import Entity, Feature, FeatureView, Source, Transform

AT = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = pl.LazyFrame({"k": ["a", "b"], "v": [1, 2], "event_time": [AT, AT], "available_at": [AT, AT]})


def view_of(text, function="f", path="folder/made.py", **types):
    return FeatureView(
        name="made",
        kind="transform",
        entity=Entity(name="key", keys={"k": "string"}),
        source=Source(name="rows", format="parquet", event_time="at"),
        join={"k": "k"},
        where=None,
        inputs=(),
        features=tuple(Feature(name=n, op="latest", column=n, dtype=t) for n, t in (types or {"v": "int64"}).items()),
        transform=Transform(path=path, function=function, text=text),
    )


def refused(text, **types) -> DataError:
    with pytest.raises(DataError) as caught:
        run_transform(view_of(text, **types), [ROWS])
    return caught.value


def test_what_it_returns_is_cut_to_what_the_view_declares():
    text = "def f(rows):\n    return rows.with_columns(more=1).select('more', 'v', 'k', 'available_at', 'event_time')\n"
    made = run_transform(view_of(text), [ROWS])
    assert made.columns == ["k", "event_time", "available_at", "v"]
    assert made["v"].to_list() == [1, 2]


def test_a_data_frame_will_do_and_so_does_all_that_python_can_do_in_a_module():
    text = """from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Pair:
    first: int

def f(rows):
    return rows.collect().with_columns(v=Pair(first=7).first)
"""
    assert run_transform(view_of(text), [ROWS])["v"].to_list() == [7, 7]


def test_two_texts_of_one_path_each_run_as_they_are():
    old = view_of("STEP = 1\ndef f(rows):\n    return rows.with_columns(v=STEP)\n")
    new = view_of("STEP = 2\ndef f(rows):\n    return rows.with_columns(v=STEP)\n")
    assert [run_transform(v, [ROWS])["v"][0] for v in (old, new, old)] == [1, 2, 1]


def test_what_it_prints_does_not_get_among_results(capsys):
    run_transform(view_of("def f(rows):\n    print('hello')\n    return rows\n"), [ROWS])
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
def test_a_failure_names_the_line_of_the_text(text, said):
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
def test_a_result_that_is_not_as_declared_is_refused(made, said, hint):
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
def test_a_column_of_another_width_becomes_the_declared_type(made, dtype, value):
    text = f"import polars as pl\nfrom datetime import date, datetime\n\ndef f(rows):\n    return rows.with_columns(v={made})\n"
    assert run_transform(view_of(text, v=dtype), [ROWS])["v"].to_list() == [value, value]


def test_a_view_without_an_entity_needs_no_key():
    view = replace(view_of("def f(rows):\n    return rows.drop('k')\n"), entity=None, join={})
    assert run_transform(view, [ROWS]).columns == ["event_time", "available_at", "v"]
