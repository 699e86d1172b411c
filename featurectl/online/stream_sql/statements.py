"""What is asked of the tables of streams, in words that SQLite and PostgreSQL both have.

Values stand at `?`, or `?1` where one is used twice.
"""

from __future__ import annotations

from typing import Final

from featurectl.online.stream_state.base import RETIRED

FIND_SOURCE: Final = "select id from stream_sources where project = ? and env = ? and source = ?"
FORGET_SOURCE: Final = (
    "delete from stream_stamps where source = ?",
    "delete from stream_partitions where source = ?",
    "delete from stream_views where source = ?",
    # Its number is given to no other: who goes on with it learns that it was forgotten.
    "update stream_sources set project = '', env = '', source = cast(id as text), asof = 0, last = 0 where id = ?",
)
IS_KNOWN: Final = "select 1 from stream_sources where id = ? and project <> ''"
ADD_SOURCE: Final = "insert into stream_sources (project, env, source) values (?, ?, ?) on conflict do nothing"
# Behind what is known of the place stands what was drawn for this file: another may lie there under the same number.
MEET_RUN: Final = """
update stream_sources set run = cast(?2 as text) || ':' || cast(?3 as text), left_asof = asof
where id = ?1 and run <> ?2 and substr(run, 1, length(cast(?2 as text)) + 1) <> cast(?2 as text) || ':'
"""
SOURCE: Final = "select asof, last, run, left_asof from stream_sources where id = ?"
PUT_ASOF: Final = f"""
update stream_sources
set asof = coalesce((select min(applied) from stream_partitions where source = ?1 and applied < {RETIRED}), asof)
where id = ?1
"""

PARTITIONS: Final = """
select name, number, first, kept, done, "end", applied from stream_partitions where source = ? order by number
"""
ADD_PARTITION: Final = """
insert into stream_partitions (source, number, name, first, kept, whole, done, "end", applied)
select ?1, count(*), ?2, ?3, ?3, ?3, ?3, ?3, (select asof from stream_sources where id = ?1)
from stream_partitions where source = ?1
"""
PARTITION: Final = """
select first, kept, whole, done, "end", stamp, applied from stream_partitions where source = ? and number = ?
"""
PUT_PARTITION: Final = """
update stream_partitions set kept = ?3, whole = ?4, done = ?5, "end" = ?6, stamp = ?7, applied = ?8
where source = ?1 and number = ?2
"""

FIND_PARTITION: Final = "select number from stream_partitions where source = ? and name = ?"
PUT_LAST: Final = "update stream_sources set last = ?2 where id = ?1"

STAMPS: Final = """
select first, "end", stamp from stream_stamps where source = ?1 and partition = ?2 and first < ?4 and first >=
coalesce((select max(first) from stream_stamps where source = ?1 and partition = ?2 and first <= ?3), 0)
order by first
"""
ADD_STAMP: Final = 'insert into stream_stamps (source, partition, first, "end", stamp) values (?, ?, ?, ?, ?)'
LAST_STAMP: Final = """
select first from stream_stamps where source = ? and partition = ? order by first desc limit 1
"""
EXTEND_STAMP: Final = 'update stream_stamps set "end" = ?4 where source = ?1 and partition = ?2 and first = ?3'
LEAST_STAMP: Final = 'select min(stamp) from stream_stamps where source = ? and partition = ? and "end" > ?'
LEAST_KEPT_STAMP: Final = f"""
select min(stamps.stamp) from stream_stamps as stamps join stream_partitions using (source)
where source = ?1 and number = partition and applied < {RETIRED}
"""
WHOLE_STAMP: Final = """
select "end", stamp from stream_stamps where source = ?1 and partition = ?2 and first >= ?3 and "end" <= ?4
order by first desc limit 1
"""
FORGOTTEN_END: Final = """
select max("end") from stream_stamps where source = ?1 and partition = ?2 and first < ?3 and "end" <= ?4
"""
FORGET_STAMPS: Final = "delete from stream_stamps where source = ?1 and partition = ?2 and first < ?3"

VIEWS: Final = "select view, live from stream_views where source = ? order by view"
NAMED: Final = "select view, name from stream_generations where source = ? and named = 1 order by view, id"
CUTS: Final = """
select view, name, coalesce(cut, ?3) from stream_generations left join stream_cuts
on generation = id and partition = ?2 where source = ?1 and named = 1 order by view, id
"""
FIND_GENERATION: Final = "select id, named from stream_generations where source = ? and view = ? and name = ?"
LAYOUT: Final = "select layout from stream_generations where source = ? and view = ? and name = ? and named = 1"
ADD_VIEW: Final = "insert into stream_views (source, view) values (?, ?) on conflict do nothing"
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
and name <> coalesce((select live from stream_views where source = ?1 and view = ?2), '')
"""
UNNAME: Final = "update stream_generations set named = 0 where source = ?1 and view = ?2 and name = ?3"
UNNAME_ALL: Final = "update stream_generations set named = 0 where source = ?"
PUT_CUTS: Final = """
insert into stream_cuts (generation, partition, cut)
select ?2, number, "end" from stream_partitions where source = ?1
on conflict (generation, partition) do update set cut = excluded.cut
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

FIRST_ELEMENTS: Final = """
select place, element from stream_elements where generation = ? and entity = ? order by place limit ?
"""
REMOVE_FIRST: Final = "delete from stream_elements where generation = ? and entity = ? and place <= ?"
PUT_ELEMENT: Final = "insert into stream_elements (generation, entity, place, element) values (?, ?, ?, ?)"
COUNT_HEADS: Final = "update stream_generations set heads = heads + ?2 where id = ?1"
HEADS: Final = "select heads from stream_generations where id = ?"
REMOVE_GENERATION: Final = "delete from stream_generations where id = ? and named = 0"
REMOVE_CUTS: Final = "delete from stream_cuts where generation = ?"
UNNAMED: Final = "select name from stream_generations where source = ? and view = ? and named = 0"
LAST: Final = "select last from stream_sources where id = ?"
