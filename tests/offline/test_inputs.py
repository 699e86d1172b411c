"""What a table was made by is told from what its rows and columns mean, not from how it is written."""

from dataclasses import replace

import pytest

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.source import CsvOptions
from featurectl.language.definitions.stream import Stream
from featurectl.language.definitions.view import Transform
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import has_other_definition, has_other_form, rows_mark
from tests.definitions import ARRIVALS, CARRIER, DELAYS, with_feature, with_source

MADE = Coverage(rows_mark=rows_mark(DELAYS))
CHANGED = {
    "where": replace(DELAYS, where=Expression(text="arr_delay > 3")),
    "no where": replace(DELAYS, where=None),
    "where reads another select": with_source(
        replace(DELAYS, where=Expression(text="late")), select=(replace(DELAYS.source.select[0], name="late"),)
    ),
    "join": replace(DELAYS, join={"carrier": "origin"}),
    "key type": replace(DELAYS, entity=replace(CARRIER, keys={"carrier": "int64"})),
    "event_time": with_source(DELAYS, event_time="known_at"),
    "delay": with_source(DELAYS, available_at=None, delay_us=1),
    "timezone": with_source(DELAYS, timezone="America/New_York"),
    "nan": with_source(DELAYS, nan="keep"),
    "null values": with_source(DELAYS, format="csv", csv=CsvOptions(null_values=("-",))),
    "tiebreak": with_source(DELAYS, tiebreak=("origin",)),
    "dedup_key": with_source(DELAYS, dedup_key=("origin",)),
    "transform": replace(DELAYS, transform=Transform(path="t.py", function="f", text="def f(x): return x\n")),
}


@pytest.mark.parametrize("view", CHANGED.values(), ids=CHANGED)
def test_a_view_with_other_rows_did_not_make_the_table(view):
    assert has_other_definition(MADE, view)
    assert not has_other_form(MADE, view)


def test_a_table_of_a_stream_is_of_its_stamps_and_of_its_history():
    live = with_source(DELAYS, format="stream", path="", available_at=None, stream=Stream(topic="a"), history=ARRIVALS)
    made = Coverage(rows_mark=rows_mark(live))
    others = {
        "files": with_source(DELAYS, available_at=None),
        "no history": with_source(live, history=None),
        "delay of the history": with_source(live, history=replace(ARRIVALS, available_at=None, delay_us=1)),
    }
    assert [name for name, view in others.items() if not has_other_definition(made, view)] == []
    moved = with_source(live, stream=Stream(topic="b", url="${KAFKA}"), history=replace(ARRIVALS, path="elsewhere"))
    assert not has_other_definition(made, moved)


def test_a_table_of_another_form_can_be_read_and_is_told():
    for mark in ("", MADE.rows_mark.partition(":")[0], MADE.rows_mark + "9"):
        other = Coverage(rows_mark=mark)
        assert (has_other_form(other, DELAYS), has_other_definition(other, DELAYS)) == (True, False)
    assert not has_other_form(MADE, DELAYS)


def test_what_does_not_change_the_rows_leaves_the_table(subtests):
    spelled = replace(DELAYS, where=Expression(text="ARR_DELAY  is NOT null".lower()))
    same = {
        "spelling": spelled,
        "format": with_source(DELAYS, format="csv", path="data/arrivals.csv"),
        "path": with_source(DELAYS, path="elsewhere/*.parquet", columns=None),
        "feature": with_feature(DELAYS, "count_1d", window_us=1),
        "hop": replace(DELAYS, hop_us=1, closed="both", retention_us=1, inputs=(), features=()),
    }
    for name, view in same.items():
        with subtests.test(name):
            assert not has_other_definition(MADE, view)
    assert not has_other_definition(Coverage(), DELAYS)
