"""Who puts the small files of a table together: one at a time, as Delta does not see that two do so at once.

Both would be heard, and each row would be there twice: no rows are changed by it, so that nothing seems to conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

_BEGUN: Final = "featurectl puts files together"
_DONE: Final = "featurectl has put files together"
_GIVEN_UP: Final = 1_000  # versions after which whoever has begun is not there any more
_TRIES: Final = 10


def compact_in_turn(
    table: DeltaTable, compact: Callable[[], object], metadata: Mapping[str, str] | None = None
) -> bool:
    """Put files of the newest version together unless another one does; return whether that was done.

    `compact` puts files of `table` together, which is of the newest version then. `metadata` is in each commit that
    says of a turn.

    Raises:
        DeltaError, OSError: the table can't be read or written.
    """
    begun = _begin(table, metadata)
    if begun is None:
        return False
    try:
        compact()
    finally:  # one that failed, as another commit came between, is over, too
        table.update_incremental()
        _say(table, Transaction(_DONE, begun), metadata, retries=None)
    return True


def _begin(table: DeltaTable, metadata: Mapping[str, str] | None) -> int | None:
    """Return the version at which a turn was begun; None where another one has it, or commits come between."""
    for _ in range(_TRIES):
        table.update_incremental()
        version = table.version() + 1
        begun, done = (table.transaction_version(name) or 0 for name in (_BEGUN, _DONE))
        if done < begun and version < begun + _GIVEN_UP:
            return None
        try:
            _say(table, Transaction(_BEGUN, version), metadata, retries=0)
        except CommitFailedError:
            continue
        table.update_incremental()
        return version
    return None


def _say(table: DeltaTable, what: Transaction, metadata: Mapping[str, str] | None, retries: int | None) -> None:
    properties = CommitProperties(
        custom_metadata=dict(metadata or {}), app_transactions=[what], max_commit_retries=retries
    )
    table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
