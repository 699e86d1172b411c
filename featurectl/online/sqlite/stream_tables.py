"""Where the state of streams lies in the SQLite file, and what is asked of it."""

from __future__ import annotations

from typing import Final

from featurectl.online.stream_state.base import RETIRED

# Elements lie in the order in which they came, and an index has their places: of 15,000 that are appended to as many
# lists each would else be written with a page of its own, which takes two to three times as long.
TABLES: Final = """
create table if not exists stream_sources (
    id integer primary key, project text not null, env text not null, source text not null,
    asof integer not null default 0, last integer not null default 0,
    run text not null default '', left_asof integer not null default 0,
    unique (project, env, source)
);
create table if not exists stream_partitions (
    source integer not null, number integer not null, name text not null,
    first integer not null, kept integer not null, whole integer not null, done integer not null,
    end integer not null, stamp integer not null default 0, applied integer not null,
    primary key (source, number), unique (source, name)
) without rowid;
create table if not exists stream_stamps (
    source integer not null, partition integer not null, first integer not null,
    end integer not null, stamp integer not null,
    primary key (source, partition, first)
) without rowid;
create table if not exists stream_views (
    source integer not null, view text not null, live text, primary key (source, view)
) without rowid;
create table if not exists stream_generations (
    id integer primary key, source integer not null, view text not null, name text not null,
    named integer not null default 1, heads integer not null default 0, asof integer not null, layout text not null,
    unique (source, view, name)
);
create table if not exists stream_cuts (
    generation integer not null, partition integer not null, cut integer not null,
    primary key (generation, partition)
) without rowid;
create table if not exists stream_elements (
    generation integer not null, entity blob not null, place integer not null, element blob not null
);
create unique index if not exists stream_places on stream_elements (generation, entity, place);
"""

FIND_SOURCE: Final = "select id from stream_sources where project = ? and env = ? and source = ?"
FORGET_SOURCE: Final = (
    "delete from stream_stamps where source = ?",
    "delete from stream_partitions where source = ?",
    "delete from stream_views where source = ?",
    # Its number is given to no other: who goes on with it learns that it was forgotten.
    "update stream_sources set project = '', env = '', source = id, asof = 0, last = 0 where id = ?",
)
IS_KNOWN: Final = "select 1 from stream_sources where id = ? and project <> ''"
ADD_SOURCE: Final = "insert or ignore into stream_sources (project, env, source) values (?, ?, ?)"
# Behind what is known of the place stands what was drawn for this file: another may lie there under the same number.
MEET_RUN: Final = """update stream_sources set run = ?2 || ':' || ?3, left_asof = asof
    where id = ?1 and run <> ?2 and substr(run, 1, length(?2) + 1) <> ?2 || ':'"""
SOURCE: Final = "select asof, last, run, left_asof from stream_sources where id = ?"
PUT_ASOF: Final = f"""
update stream_sources
set asof = coalesce((select min(applied) from stream_partitions where source = ?1 and applied < {RETIRED}), asof)
where id = ?1
"""

PARTITIONS: Final = """
select name, number, first, kept, done, end, applied from stream_partitions where source = ? order by number
"""
ADD_PARTITION: Final = """
insert into stream_partitions (source, number, name, first, kept, whole, done, end, applied)
select ?1, count(*), ?2, ?3, ?3, ?3, ?3, ?3, (select asof from stream_sources where id = ?1)
from stream_partitions where source = ?1
"""
PARTITION: Final = """
select first, kept, whole, done, end, stamp, applied from stream_partitions where source = ? and number = ?
"""
PUT_PARTITION: Final = """
update stream_partitions set kept = ?3, whole = ?4, done = ?5, end = ?6, stamp = ?7, applied = ?8
where source = ?1 and number = ?2
"""

FIND_PARTITION: Final = "select number from stream_partitions where source = ? and name = ?"
PUT_LAST: Final = "update stream_sources set last = ?2 where id = ?1"

STAMPS: Final = """
select first, end, stamp from stream_stamps where source = ?1 and partition = ?2 and first < ?4 and first >=
coalesce((select max(first) from stream_stamps where source = ?1 and partition = ?2 and first <= ?3), 0)
order by first
"""
ADD_STAMP: Final = "insert into stream_stamps (source, partition, first, end, stamp) values (?, ?, ?, ?, ?)"
LAST_STAMP: Final = """
select first from stream_stamps where source = ? and partition = ? order by first desc limit 1
"""
EXTEND_STAMP: Final = "update stream_stamps set end = ?4 where source = ?1 and partition = ?2 and first = ?3"
LEAST_STAMP: Final = "select min(stamp) from stream_stamps where source = ? and partition = ? and end > ?"
LEAST_KEPT_STAMP: Final = f"""
select min(stamps.stamp) from stream_stamps as stamps join stream_partitions using (source)
where source = ?1 and number = partition and applied < {RETIRED}
"""
WHOLE_STAMP: Final = """
select end, stamp from stream_stamps where source = ?1 and partition = ?2 and first >= ?3 and end <= ?4
order by first desc limit 1
"""
FORGOTTEN_END: Final = """
select max(end) from stream_stamps where source = ?1 and partition = ?2 and first < ?3 and end <= ?4
"""
FORGET_STAMPS: Final = "delete from stream_stamps where source = ?1 and partition = ?2 and first < ?3"

VIEWS: Final = "select view, live from stream_views where source = ? order by view"
NAMED: Final = "select view, name from stream_generations where source = ? and named order by view, id"
CUTS: Final = """
select view, name, coalesce(cut, ?3) from stream_generations left join stream_cuts
on generation = id and partition = ?2 where source = ?1 and named order by view, id
"""
FIND_GENERATION: Final = "select id, named from stream_generations where source = ? and view = ? and name = ?"
LAYOUT: Final = "select layout from stream_generations where source = ? and view = ? and name = ? and named"
ADD_VIEW: Final = "insert or ignore into stream_views (source, view) values (?, ?)"
ADD_GENERATION: Final = """
insert into stream_generations (source, view, name, asof, layout)
select id, ?2, ?3, asof, ?4 from stream_sources where id = ?1
"""
NAME_GENERATION: Final = """
update stream_generations set named = 1,
asof = (select asof from stream_sources where id = stream_generations.source) where id = ?
"""
UNNAME_OTHERS: Final = """
update stream_generations set named = 0 where source = ?1 and view = ?2 and name <> ?3
and name is not (select live from stream_views where source = ?1 and view = ?2)
"""
UNNAME: Final = "update stream_generations set named = 0 where source = ?1 and view = ?2 and name = ?3"
UNNAME_ALL: Final = "update stream_generations set named = 0 where source = ?"
PUT_CUTS: Final = """
insert or replace into stream_cuts (generation, partition, cut)
select ?2, number, end from stream_partitions where source = ?1
"""
GENERATION_CUTS: Final = "select partition, cut from stream_cuts where generation = ?"
GENERATION_ASOF: Final = "select asof from stream_generations where id = ?"
NOT_DONE: Final = """
select count(*) from stream_cuts join stream_partitions on number = partition
where generation = ?2 and source = ?1 and done < cut
"""
PUT_LIVE: Final = "update stream_views set live = ?3 where source = ?1 and view = ?2"
DROP_LIVE: Final = "update stream_views set live = null where source = ?1 and view = ?2 and live = ?3"
DROP_ALL_LIVE: Final = "update stream_views set live = null where source = ?"

APPEND: Final = """
insert into stream_elements (generation, entity, place, element) values (?1, ?2, coalesce(
(select max(place) from stream_elements where generation = ?1 and entity = ?2), 0) + 1, ?3)
"""
LENGTH: Final = "select count(*) from stream_elements where generation = ? and entity = ?"
ELEMENTS: Final = "select element from stream_elements where generation = ? and entity = ? order by place"
FIRST_ELEMENTS: Final = """
select place, element from stream_elements where generation = ? and entity = ? order by place limit ?
"""
REMOVE_FIRST: Final = "delete from stream_elements where generation = ? and entity = ? and place <= ?"
PUT_ELEMENT: Final = "insert into stream_elements (generation, entity, place, element) values (?, ?, ?, ?)"
COUNT_HEADS: Final = "update stream_generations set heads = heads + ?2 where id = ?1"
HEADS: Final = "select heads from stream_generations where id = ?"
WALK: Final = """
select distinct entity from stream_elements where generation = ? and entity > ? order by entity limit ?
"""
REMOVE_SOME: Final = """
delete from stream_elements where rowid in
(select rowid from stream_elements where generation = ?1 limit ?2)
"""
REMOVE_GENERATION: Final = "delete from stream_generations where id = ? and not named"
REMOVE_CUTS: Final = "delete from stream_cuts where generation = ?"
UNNAMED: Final = "select name from stream_generations where source = ? and view = ? and not named"
