"""One expression on both engines: what differs, row by row."""

import math

import polars as pl

from featurectl.expressions.polars import DTYPES, to_polars
from featurectl.expressions.row import to_closure
from tests.expressions.random_expressions import COLUMNS

PHYSICAL = {"timestamp": pl.Int64, "date": pl.Int32}
SLOTS = {name: slot for slot, name in enumerate(COLUMNS)}
LIBM = {"exp", "ln", "log1p", "power"}


def frame(rows):
    """Return rows of plain values (times as whole numbers) as a reader would leave them."""
    columns = {}
    for slot, (name, dtype) in enumerate(COLUMNS.items()):
        values = [row[slot] for row in rows]
        columns[name] = pl.Series(values, dtype=PHYSICAL.get(dtype, DTYPES[dtype])).cast(DTYPES[dtype])
    return pl.DataFrame(columns)


def polars_values(data, node, *, lazy):
    """Return one value per row; eager and lazy frames run on different engines within Polars, with other short cuts."""
    result = data.lazy().with_columns(v=to_polars(node)).collect() if lazy else data.with_columns(v=to_polars(node))
    values = result["v"]
    assert values.dtype == DTYPES[node.dtype]
    return values.cast(PHYSICAL.get(node.dtype, values.dtype)).to_list()


def row_values(rows, node):
    closure = to_closure(node, SLOTS)
    return [closure(row) for row in rows]


def uses_libm(node):
    return node.op in LIBM or any(uses_libm(arg) for arg in node.args)


def equal(a, b, ulps):
    if a is None or b is None:
        return a is b
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or abs(a - b) <= ulps * max(math.ulp(a), math.ulp(b))
    return type(a) is type(b) and a == b


def differences(node, rows, data):
    """Return (row, Polars, closure) where they differ; by over 4 units in the last place after exp and the like."""
    ulps = 4 if uses_libm(node) else 0
    assert data.lazy().select(v=to_polars(node)).collect_schema()["v"] == DTYPES[node.dtype]
    found, expected = [], row_values(rows, node)
    for lazy in (False, True):
        pairs = zip(rows, polars_values(data, node, lazy=lazy), expected, strict=True)
        found += [(relevant(row, node), a, b) for row, a, b in pairs if not equal(a, b, ulps)]
    return found


def relevant(row, node):
    return {name: row[SLOTS[name]] for name in node.columns()}
