"""The rules of the mechanism, each of which can be taken out to see that readers notice."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What workers, compactors, readers, the register and the log hold to; a mutant has one that is false."""

    # the register
    claim_refuses_gap: bool = True  # a batch that begins behind the stamped end is refused
    done_refuses_gap: bool = True
    stamps_are_whole: bool = True  # `applied` becomes r only when all offsets of r are done
    stamps_increase: bool = True  # a new stamp is above `applied` of its partition and every stamp of the source
    known_stamps_are_whole: bool = True  # a claim of a part of a lost stamp takes all of it
    heartbeat_compares: bool = True  # it moves `applied` only when position = stamped end = done
    heartbeat_at_end: bool = True  # and when the worker has read all that the broker has
    generations_are_named: bool = True  # claims name what is to be written, `done` refuses what was not
    partition_begins_at_asof: bool = True
    retired_are_refused: bool = True  # partitions of a topic that was made again are neither claimed, done nor promised
    retired_are_rebuilt: bool = True  # where lists have other events of them than the log
    # reading
    asof_before_rows: bool = True
    newest_asof: bool = True  # an answer is as of max(asof, head.asof)
    generation_is_checked: bool = True  # a reader whose generation went asks again
    marks_are_read: bool = True  # Cluster: a master that lost what the register has as done answers nothing
    # compaction
    columns_wait: bool = True  # columns take what is applied in its own partition
    tiles_behind_asof: bool = True  # tiles take what was available long enough before asof
    tile_ends_behind_asof: bool = True  # and no tile that is not over
    content_is_compared: bool = True
    unseeded_waits: bool = True  # no compaction before a generation is read
    compaction_reads_marks: bool = True  # Cluster: a master that lost records is not compacted
    empty_heads_stay: bool = True  # as long as readers wait
    trim_keeps_reach: bool = True
    repeats_stay: bool = True  # rows are kept as long as a repeat of them may come
    frontier_is_kept: bool = True
    # loss
    start_at_lesser: bool = True  # a worker begins at the lesser of log and register
    reconnection_restarts: bool = True
    lost_register_is_void: bool = True  # Cluster: where masters have what the register lost, a rebuild begins
    newest_stamp_counts: bool = True  # of two stamps of one offset
    logged_stamps_stay: bool = True
    seeds_are_counted: bool = True
    # the log
    log_reads_transaction: bool = True  # rows that the snapshot has are left out of a commit
    retired_are_not_logged: bool = True  # by a worker that has not heard that the topic was made again
    increments_by_offset: bool = True  # an offline table takes offsets, not what became available later


MUTANTS = tuple(field.name for field in fields(Rules))
