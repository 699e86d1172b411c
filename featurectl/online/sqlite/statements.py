"""What the embedded online store asks of SQLite."""

from __future__ import annotations

from typing import Final

from featurectl.online.codec import COMPUTED_BYTES

_COMPUTED: Final = f"substr(row, {COMPUTED_BYTES[0] + 1}, {COMPUTED_BYTES[1] - COMPUTED_BYTES[0]})"
TABLES = """
create table if not exists views (
    id integer primary key autoincrement,
    project text not null, env text not null, view text not null, version integer not null,
    entities integer not null default 0, push_record blob,
    unique (project, env, view, version)
);
create table if not exists schemas (
    view integer not null, id integer not null, document text not null, primary key (view, id)
) without rowid;
create table if not exists rows (
    view integer not null, entity blob not null, row blob not null, primary key (view, entity)
) without rowid;
"""
FIND = "select id from views where project = ? and env = ? and view = ? and version = ?"
PREPARED = """
select view, version from views where project = ? and env = ? and id in (select view from schemas)
"""
ROW = "select row from rows where view = ? and entity = ?"
ADD_VIEW = "insert or ignore into views (project, env, view, version) values (?, ?, ?, ?)"
# Of bytes that are none `substr` is null, and nothing is newer or older than that.
ADD_ROW = "insert or ignore into rows (view, entity, row) values (?, ?, ?)"
NEWER_ROW = f"""
update rows set row = ?3 where view = ?1 and entity = ?2 and row <> ?3
and (length(row) = 0 or substr(row, ?4, ?5) <= substr(?3, ?4, ?5) or {_COMPUTED} > ?6)
"""
NEWER_RECORD = """
update views set push_record = ?2 where id = ?1
and (push_record is null or length(push_record) = 0
    or substr(push_record, ?3, ?4) <= substr(?2, ?3, ?4) or substr(push_record, ?3, ?4) > ?5)
"""
REMOVE_RECORD = "update views set push_record = null where id = ?"
REMOVE_BARE_VIEW = """
delete from views where id = ?1 and push_record is null and entities = 0
and not exists (select * from schemas where view = ?1) and not exists (select * from rows where view = ?1)
"""
REMOVE = """
delete from rows where view = ?1 and entity in (select entity from rows where view = ?1 limit ?2)
"""

REMOVE_KEY = "delete from rows where view = ? and entity = ?"
LISTED = "select entity from rows where view = ? and entity > ? order by entity limit ?"
WALKED = "select entity, row from rows where view = ? and entity > ? order by entity limit ?"
REMOVE_UNTIL = f"""
delete from rows where view = ? and entity = ?
and (length(row) = 0 or {_COMPUTED} <= ? or {_COMPUTED} > ?)
"""
COUNTED = "select count(*) from rows where view = ?"
COUNT_AGAIN = "update views set entities = (select count(*) from rows where view = ?1) where id = ?1"
