"""Times of PostgreSQL that Python lacks, in rows of psycopg: its error names no column, the rows that it has do."""

from __future__ import annotations

import re
from typing import Final

from featurectl.core.errors import DataError
from featurectl.sources.sql.arrow_columns import BEYOND, MIDNIGHT, unreadable

# PostgreSQL's numbers of days and instants, alone, in arrays and in ranges, and of times of day. Source: pg_type.dat.
_INSTANTS: Final = frozenset({1082, 1114, 1184, 1182, 1115, 1185, 3912, 3908, 3910, 3913, 3909, 3911})
_TIMES: Final = frozenset({1083, 1183, 1266, 1270})
_LACKED: Final = re.compile(rb"infinity|\d{5,}-\d\d-|\bBC\b")
_LAST: Final = re.compile(rb"\b24:00")


def lacked_time(cursor: object, where: str) -> DataError | None:
    """Return what is wrong with the rows that a cursor of psycopg could not give; None where it is not their times.

    It names the first column in which one is that Python lacks.
    """
    rows, description = getattr(cursor, "pgresult", None), getattr(cursor, "description", None)
    if rows is None:
        return None
    for place, column in enumerate(description or ()):
        for kinds, lacked, said in ((_INSTANTS, _LACKED, BEYOND), (_TIMES, _LAST, MIDNIGHT)):
            if column[1] not in kinds:
                continue
            if any(lacked.search(rows.get_value(row, place) or b"") for row in range(rows.ntuples)):
                return unreadable(column[0], said, where)
    return None
