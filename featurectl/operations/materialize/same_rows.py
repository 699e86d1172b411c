"""A table whose source was read whole again, and has the very rows that it had: nothing is written anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from featurectl.engines.base import BucketedRows
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.operations.materialize.rows import no_rows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import TIE_ORDER

_AT_ONCE: Final = 1_000_000  # rows of a table that are looked through


def has_same_rows(table: OfflineTable, rows: BucketedRows) -> bool:
    """Return whether a table has the rows that were read of the columns that its own were read of, and no others.

    Their hashes tell, each of which covers all columns of a source's row: as often as each is there.
    """
    from featurectl.engines.shuffle import rows_mark  # it loads NumPy, which a push does without
    from featurectl.pit.hashing import add_hashes

    version = table.version()
    if version is None or not rows.mark or table.statistics().rows != rows.height:
        return False
    sums = (0, 0)
    for block in table.blocks(version, _AT_ONCE, [TIE_ORDER]):
        sums = add_hashes(sums, block[TIE_ORDER])
    return rows_mark(rows.height, sums) == rows.mark


def write_read(run: MaterializeRun, covered: Coverage, before: Coverage) -> Coverage | None:
    """Write what was read of a source into its table, whose rows stay, and return that; None: all that is known."""
    covered = replace(covered, rebuild_id=before.rebuild_id)
    if replace(covered, now=before.now) == before:
        return None
    run.table.append(no_rows(run.table, run.view.keys), covered)
    return covered
