"""The tables of an online store in PostgreSQL, and what is asked of them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from featurectl.online.base import OnlineView, VersionedBy
from featurectl.online.codec import COMPUTED_BYTES, NEWER_BYTES, RECORD_NEWER_BYTES
from featurectl.online.postgres.migrations.steps import SCHEMA

_DIGITS: Final = 24
VIEWS: Final = f"{SCHEMA}.views"
SCHEMAS: Final = f"{SCHEMA}.schemas"
LISTS: Final = f"{SCHEMA}.stream_elements"
OF_VIEW: Final = "project = %s and env = %s and view = %s and version = %s"
ViewKey = tuple[str, str, str, int]

REVISION_TABLE: Final = f"select to_regclass('{SCHEMA}.alembic_version') is not null"
REVISION: Final = f"select version_num from {SCHEMA}.alembic_version"
ARE_THERE: Final = f"""
select name from unnest(%b::text[]) as names(name) where to_regclass('{SCHEMA}.' || name) is not null
"""
ADD_VIEW: Final = f"""
insert into {VIEWS} (project, env, view, version, rows_table) values (%s, %s, %s, %s, %s) on conflict do nothing
"""
ADD_SCHEMA: Final = f"insert into {SCHEMAS} values (%s, %s, %s, %s, %s, %s) on conflict do nothing"
DOCUMENT: Final = f"select document from {SCHEMAS} where {OF_VIEW} and id = %s"
PREPARED: Final = f"select distinct view, version from {SCHEMAS} where project = %s and env = %s"
LOCK_VIEW: Final = f"select entities from {VIEWS} where {OF_VIEW} for update"
SHARE_VIEW: Final = f"select entities from {VIEWS} where {OF_VIEW} for key share"  # with those who do so, too
COUNT: Final = f"select entities from {VIEWS} where {OF_VIEW}"
ADD_ENTITIES: Final = f"update {VIEWS} set entities = entities + %s where {OF_VIEW}"
NEWER_RECORD: Final = f"""
update {VIEWS} set push_record = %s where {OF_VIEW}
and (push_record is null or length(push_record) = 0
     or {{there}} <= {{new}} or {{there}} > %b)
"""
SHARED: Final = f"""
select case when names.kind = 'push'
    then (select push_record from {VIEWS} as of_view where of_view.project = %s and of_view.env = %s
        and of_view.view = names.view and of_view.version = names.version)
    else (select convert_to(document, 'UTF8') from {SCHEMAS} as of_view where of_view.project = %s and of_view.env = %s
        and of_view.view = names.view and of_view.version = names.version and of_view.id = names.id) end
from unnest(%b::text[], %b::text[], %b::int[], %b::int[]) with ordinality as names(kind, view, version, id, place)
order by place
"""
REMOVE_SCHEMAS: Final = f"delete from {SCHEMAS} where {OF_VIEW}"
REMOVE_RECORD: Final = f"update {VIEWS} set push_record = null where {OF_VIEW}"
REMOVE_BARE_VIEW: Final = f"""
delete from {VIEWS} where {OF_VIEW} and push_record is null and entities = 0
and not exists (select from {SCHEMAS} where {OF_VIEW})
"""
REMOVE_VIEW: Final = f"delete from {VIEWS} where {OF_VIEW}"
# `unnest` stands before `from`, as there its rows would be put aside, past 4 MB on disk.
_SENT: Final = "select entity, row from (select unnest(%b) as entity, unnest(%b) as row) as sent order by entity"
# A planner that takes 20,000 keys for many would read the whole table, or compile; what is sorted of wide rows stays in
# memory.
BY_KEYS: Final = "select set_config('work_mem', '64MB', true), " + ", ".join(
    f"set_config('{way}', 'off', true)" for way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
)
KEPT_FILES: Final = "PostgreSQL's WAL, and pages until they are filled again (or VACUUM FULL), have what was removed"
NOT_VACUUMED: Final = "the user may not VACUUM {table}: its owner or autovacuum has to, or rows stay in its pages"
CLOCK: Final = "select clock_timestamp()"


def view_key(view: OnlineView) -> ViewKey:
    """Return what names a view version in the tables."""
    return (view.project, view.env, view.view, view.version)


@lru_cache(maxsize=4_096)
def rows_table(project: str, env: str, field: str) -> str:
    """Return the name of the table of the rows of a view version (`spend@1`), without its schema.

    It follows from what it is of, so that who reads looks nothing up, and never in the table of another one.

    >>> rows_table("shop", "prod", "spend@1")
    'rows_05e43cb3b1323fdad8cd6cf8'
    """
    return f"rows_{hashlib.sha256(f'{project}/{env}/{field}'.encode()).hexdigest()[:_DIGITS]}"


def table_of(view: OnlineView) -> str:
    """Return the table of the rows of a view version, with its schema."""
    return f"{SCHEMA}.{rows_table(view.project, view.env, f'{view.view}@{view.version}')}"


def _bytes(column: str, places: tuple[int, int]) -> str:
    return f"substr({column}, {places[0] + 1}, {places[1] - places[0]})"


PUT_RECORD: Final = NEWER_RECORD.format(
    there=_bytes("push_record", RECORD_NEWER_BYTES), new=_bytes("%b::bytea", RECORD_NEWER_BYTES)
)


def made(table: str) -> str:
    """Return the statement that makes a table of rows.

    It leaves half of each page free: a transaction that replaces all rows of a page finds room for them beside, so that
    the index is not touched and the table does not grow.
    """
    return f"create table if not exists {table} (entity bytea primary key, row bytea not null) with (fillfactor = 50)"


def copied(table: str) -> str:
    """Return the statement that takes rows none of which is there."""
    return f"copy {table} (entity, row) from stdin (format binary)"


def replaced(table: str, order: VersionedBy) -> str:
    """Return the statement that replaces rows that are there unless newer ones are; its count is of those replaced.

    It locks no row before it replaces it, as `upserted` does. Where a row is looked up by its key, rows are met in the
    order of the keys.
    """
    return f"""
update {table} as kept set row = sent.row from ({_SENT}) as sent where kept.entity = sent.entity
and {_is_newer("kept", "sent", order)}
"""


def upserted(table: str, order: VersionedBy, *, only_missing: bool) -> str:
    """Return the statement that writes rows unless newer ones are there, of all or of those alone that are missing.

    It answers how many were written, and how many of these were not there. A row that was there is locked before it is
    replaced, which its `xmax` shows; one that was not has none. So is one that another transaction writes meanwhile.
    Missing is a row, too, where an older one is there: another transaction has put that there since `replaced` looked.
    """
    missing = f"""where not exists (
        select from {table} as there where there.entity = sent.entity and not ({_is_newer("there", "sent", order)})
    )"""
    return f"""
with written as (
    insert into {table} as kept (entity, row)
    select entity, row from ({_SENT}) as sent {missing if only_missing else ""}
    on conflict (entity) do update set row = excluded.row where {_is_newer("kept", "excluded", order)}
    returning xmax = 0 as is_added
)
select count(*), count(*) filter (where is_added) from written
"""


def _is_newer(there: str, sent: str, order: VersionedBy) -> str:
    """Return whether a row is to be replaced; of bytes that are no row `substr` is empty: older than anything."""
    old, new = (_bytes(f"{of}.row", NEWER_BYTES[order]) for of in (there, sent))
    return (
        f"{there}.row <> {sent}.row and "
        f"({old} <= {new} or length({there}.row) = 0 or {_bytes(f'{there}.row', COMPUTED_BYTES)} > %b)"
    )


def removed_until(table: str) -> str:
    """Return the statement that removes rows of some keys computed until an instant, or later than a bound."""
    computed = _bytes("row", COMPUTED_BYTES)
    return f"""
delete from {table} where entity = any(%b::bytea[]) and (length(row) = 0 or {computed} <= %b or {computed} > %b)
"""


def removed_keys(table: str) -> str:
    """Return the statement that removes the rows of some keys."""
    return f"delete from {table} where entity = any(%b::bytea[])"


def listed(table: str) -> str:
    """Return the statement that gives the keys after one, in their order."""
    return f"select entity from {table} where (%b::bytea is null or entity > %b) order by entity limit %s"


def walked(table: str) -> str:
    """Return the statement that gives the keys after one with their rows, in their order."""
    return f"select entity, row from {table} where (%b::bytea is null or entity > %b) order by entity limit %s"


def counted(table: str) -> str:
    """Return the statement that counts the rows, as far as a number."""
    return f"select count(*) from (select from {table} limit %s) as rows"


def counted_again(table: str) -> str:
    """Return the statement that puts the number of entities right."""
    return f"update {VIEWS} set entities = (select count(*) from {table}) where {OF_VIEW}"


def passing_row(table: str) -> tuple[str, str]:
    """Return the statements that put a row into a table of rows, or of lists, and that take it away again."""
    columns, values, of = "entity, row", "'', ''", "entity = ''"
    if table == LISTS:
        columns, values, of = "generation, entity, place, element", "-1, '', 0, ''", "generation = -1"
    return (
        f"insert into {table} ({columns}) values ({values}) on conflict do nothing",
        f"delete from {table} where {of}",
    )
