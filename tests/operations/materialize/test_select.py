"""What a source's `select` makes of columns whose types nobody saw before."""

from dataclasses import replace

import pytest

from featurectl.core.errors import DataError
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.source import NamedExpression
from tests.operations.materialize.test_view import FILES, run, values, write


def untold(**select):
    """The source with no types known, and these columns made of the others."""
    made = tuple(NamedExpression(name=name, expression=Expression(text)) for name, text in select.items())
    return replace(FILES, columns=None, select=made)


def test_a_select_that_does_not_fit_the_files_is_told_with_its_source(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    with pytest.raises(DataError) as caught:
        run(tmp_path, source=untold(low="lower(origin)", wrong="lower(arr_delay)"))
    assert caught.value.code == "FC504"
    assert caught.value.message == 'source "arrivals", select "wrong": lower takes string, this is float64'
    _, table = run(tmp_path, source=untold(low="lower(origin)"))
    assert values(table) == [1.0]
