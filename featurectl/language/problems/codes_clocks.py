"""Codes of the clocks of sources, FC351, FC352, FC358 and FC359: a part of the list of `codes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.language.problems.codes_models import Code

CLOCKS: Final[Mapping[str, Code]] = {
    "FC351": Code(
        "a source without a time",
        "Without `event_time` every row counts as known since ever. That is right for what never changes; a table "
        "that is edited in place leaks today's values into the past: give its rows a time, or keep snapshots of it. "
        "It is a warning where a column looks like the time of a change, else a note, which `validate -v` lists.",
    ),
    "FC352": Code(
        "a column that looks like an arrival time",
        "The source declares neither `available_at` nor `delay`, so each row counts as known at its event time. If "
        "the column says when the row arrived, declare it as `available_at`: training sets then see only what could "
        "have been known.",
    ),
    "FC358": Code(
        "an event time without a time of day",
        "A date is its midnight in the source's `timezone` (UTC by default), and without `available_at` or `delay` a "
        "row is known from then on: features of that day's morning see what happened in its evening. With `delay: 1d` "
        "they see it when the day is over. It is a note, which `validate -v` lists (of CSV files by their first row) "
        "and the first `materialize` of a view says; `available_at` with the same column says that it is right as it "
        "is.",
    ),
    "FC359": Code(
        "a clock that is cast from a text beside `timezone`",
        "`timezone` is that of columns of the file. A text that `select` casts to a timestamp is UTC where it has no "
        "offset, as in every expression, so the source's times would be off by hours. Of a zone that keeps one offset "
        "the whole year write it behind the text: `cast(day || ' ' || clock || '+09:00' as timestamp)`, and leave "
        "`timezone` out if no column needs it. Of another make one column of both before: in a query, or in the file.",
    ),
}
