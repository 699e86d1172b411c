"""What the reader of columns says, compared with what the reader of answers says of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from featurectl.core.units import instant_us
from featurectl.language.definitions.model import FeatureInput
from featurectl.online.client.feature_columns import KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns
from featurectl.online.client.read_view import ReadView
from featurectl.online.decode import columns

EPOCH = date(1970, 1, 1)


def every_input(view: Any) -> list[FeatureInput]:
    """Inputs for all of a view's features, its keys by their own names."""
    names = [*(f.name for f in view.features), *(d.name for d in view.derived)]
    join = {key: key for key in view.key_types}
    return [FeatureInput(name=n, view=view.name, feature=n, join=join, dtype=None, model_dtype=None) for n in names]


def shown(values: Sequence[Sequence[object]]) -> list[list[object]]:
    return [[None if v is None else (type(v), repr(v)) for v in column] for column in values]


def assert_columns_equal_answers(  # noqa: PLR0913, PLR0917  # what is read, by whom and when
    store: Any, view: Any, online: Any, entities: Any, now: Any, answers: Any
) -> None:
    """See that columns hold what answers hold; entities are key values, a date as its days."""
    reader = FeatureReader(every_input(view), {view.name: ReadView(view=view, online=online)})
    keys = {}
    for i, (name, dtype) in enumerate(view.key_types.items()):
        column = [entity[i] for entity in entities]
        keys[name] = [None if v is None else EPOCH + timedelta(days=v) for v in column] if dtype == "date" else column
    alone = {name: column[:1] for name, column in keys.items()}
    single = read_columns(store, reader, Pushes(), KeyRows(keys=alone, count=1, now=now))
    told = [(*column.values, *column.statuses, *column.defaulted) for column in single.columns.values()]
    first = [answers[0].values[name] for name in single.columns]
    assert repr(told) == repr([(answer.value, answer.status, answer.defaulted) for answer in first])
    assert not single.is_present or all(row[1:] == ("PRESENT", False) for row in told)
    for few in (columns.FEW_ROWS, 1, 1):  # one by one, then at once where nothing is unusual; then no schema is new
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(columns, "FEW_ROWS", few)
            found = read_columns(store, reader, Pushes(), KeyRows(keys=keys, count=len(entities), now=now))
        assert list(found.columns) == list(answers[0].values)
        for name, got in found.columns.items():
            expected = [answer.values[name] for answer in answers]
            assert shown([got.values]) == shown([[e.value for e in expected]]), name
            assert got.statuses == [e.status for e in expected], name
            assert got.defaulted == [e.defaulted for e in expected], name
            clocks = zip(got.event_us, got.computed_us, answers, strict=True)
            for event_us, computed_us, answer in clocks:
                assert event_us == (None if answer.event_time is None else instant_us(answer.event_time))
                assert computed_us == (None if answer.computed_at is None else instant_us(answer.computed_at))
