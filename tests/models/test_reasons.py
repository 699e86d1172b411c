"""What is said of a model that raises: one line, of whatever kind the error is."""

from featurectl.core.errors import DataError
from featurectl.models.reasons import reason_of


def test_it_is_one_line_that_says_something():
    assert reason_of(ValueError(" out of order \n at line 3")) == "out of order"
    assert reason_of(StopIteration()) == "StopIteration"
    assert reason_of(ValueError(" \n")) == "ValueError"
    assert reason_of(ValueError("x" * 3_000)) == "x" * 200
    assert reason_of(DataError("m gives no number a row", code="FC513", hint="return one")) == "m gives no number a row"
