"""What the compiled loops take and give: arrays with names, and what their numbers mean.

Numba keeps what it has compiled until the file of a loop changes: who changes a number here changes those files, too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from featurectl.pit.arrays import Bools, Ints

FLOAT, INTEGER, BOOLEAN, TEXT, OTHERS = range(5)  # kinds of values in a record
SUM, LEAST, GREATEST, FIRST, LAST, SQUARES = range(6)  # the numbers of a cell, and the bits of those that are wanted
COUNT_OF, MEAN, VARIANCE, DEVIATION = range(6, 10)  # what features are beside these
# The parts of a head: numbers, then from where to where some bytes are.
ASOF, NEWEST, KNOWN, COUNT, TIMES, STAMPS, REPEATS, NAMED, COLUMNS = 0, 1, 2, 3, 4, 6, 8, 10, 12
MORE, WHOLE, FULL, UNUSUAL = range(4)  # how it stands with replies
IS_VALUE, IS_NULL, IS_LIST, HAS_NULLS = range(4)  # what a reply is; of lists those that have nulls
NEVER_US: Final = 1 << 62  # as `known_answers.py` has it


class ListShape(NamedTuple):
    """What lists have, and what is wanted of them.

    `kinds` are of the values of a record, ties first. `slots` says of each input which of the wanted columns it is, -1:
    none; `floats` which of these are floats. A row of `windows` has a length and an offset in microseconds; one of
    `cells` such a column (-1: rows are counted), the bits of the numbers that are wanted of it, and a window; one of
    `features` a cell, what the feature is of it, and by how much less than their count squared distances are divided.
    `begins_behind`: a window begins behind its first instant; `ends_with`: it has its last. `zero` is what numpy begins
    a sum with. `has_ties`: rows of one time have an order by what is in them.
    """

    kinds: Ints
    slots: Ints
    floats: Bools
    has_names: bool
    windows: Ints
    cells: Ints
    features: Ints
    begins_behind: bool
    ends_with: bool
    zero: float
    has_ties: bool


class ReadElements(NamedTuple):
    """What the elements of lists have: the parts of each head, and the values of the records that count.

    `is_read` is false for a list that is to be read by others. `ends` says how many records of the lists up to each one
    count, `is_late` of which lists others count later. A row of `places` has the event time of a record, when it became
    available, its partition and offset. `values` and `valid` have a column behind the other, floats by their bits.
    """

    is_read: Bools
    is_late: Bools
    parts: Ints
    ends: Ints
    places: Ints
    values: Ints
    valid: Bools


class ReadRows(NamedTuple):
    """The rows of the heads of lists that count, each list's from its place in `begins` on, as many as `counts` says.

    `values` and `valid` have a column behind the other, floats by their bits. `is_full` says by column and list whether
    no value is null: of these `valid` has nothing. `records` has a row of numbers of records that are to be put between
    these, each list's in their order, one of how many rows each is behind, and one of their event times.
    """

    begins: Ints
    counts: Ints
    event_us: Ints
    values: Ints
    valid: Bools
    is_full: Bools
    records: Ints


class ReadFeatures(NamedTuple):
    """What lists say, by feature and list: values, floats by their bits, and which are there.

    `lacks` says by feature whether a list has none. `instants` are, by list, the newest event's, the answer's, and
    until when it holds.
    """

    values: Ints
    has_value: Bools
    lacks: Bools
    instants: Ints
