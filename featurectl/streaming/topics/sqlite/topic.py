"""The row of a topic in the file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

_FIND: Final = (
    "select id, incarnation, (select count(*) from partitions where topic = topics.id) from topics where name = ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """A topic in the file: its number there, which topic of that name it is, and how many partitions it has."""

    number: int
    incarnation: str
    partitions: int


def find_topic(connection: sqlite3.Connection, name: str) -> TopicRow | None:
    """Return the row of a topic, None where there is none."""
    row = connection.execute(_FIND, (name,)).fetchone()
    return TopicRow(number=row[0], incarnation=row[1], partitions=row[2]) if row else None
