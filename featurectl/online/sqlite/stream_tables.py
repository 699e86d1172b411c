"""Where the state of streams lies in the SQLite file, and what only SQLite is asked."""

from __future__ import annotations

from typing import Final

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
    "end" integer not null, stamp integer not null default 0, applied integer not null,
    primary key (source, number), unique (source, name)
) without rowid;
create table if not exists stream_stamps (
    source integer not null, partition integer not null, first integer not null,
    "end" integer not null, stamp integer not null,
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

APPEND: Final = """
insert into stream_elements (generation, entity, place, element) values (?1, ?2, coalesce(
(select max(place) from stream_elements where generation = ?1 and entity = ?2), 0) + 1, ?3)
"""
LENGTH: Final = "select count(*) from stream_elements where generation = ? and entity = ?"
ELEMENTS: Final = "select element from stream_elements where generation = ? and entity = ? order by place"
REMOVE_SOME: Final = """
delete from stream_elements where rowid in
(select rowid from stream_elements where generation = ?1 limit ?2)
"""
WALK: Final = """
select distinct entity from stream_elements where generation = ? and entity > ? order by entity limit ?
"""
