"""What a commit of the log of a stream says beside its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from deltalake import CommitProperties, PostCommitHookProperties, Transaction

if TYPE_CHECKING:
    from featurectl.offline.event_log import LogState

METADATA: Final = "featurectl_stream"
PREDICTED: Final = "predicted "  # before the name of a partition
HOOKS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=True)


def commit_properties(state: LogState) -> CommitProperties:
    """Return what a commit that says `state` has: nothing is tried again, as another may have come between."""
    return CommitProperties(
        custom_metadata={METADATA: dumped(state)}, max_commit_retries=0, app_transactions=_transactions(state)
    )


def _transactions(state: LogState) -> list[Transaction]:
    """Return the ends of partitions, and those of what is predicted: those stay when older workers commit."""
    parts = state.partitions.items()
    ends = {name: of.end for name, of in parts} | {PREDICTED + name: of.predicted_end for name, of in parts}
    return [Transaction(name, end) for name, end in sorted(ends.items())]


def dumped(state: LogState) -> str:
    """Return a state as text; what it says of erased keys is left out where none were."""
    partitions = {
        name: {"first": of.first, "end": of.end, "applied": of.applied_us} for name, of in state.partitions.items()
    }
    gaps = [list(gap) for gap in state.gaps]
    erased = {"erased": state.erased} if state.erased else {}
    found = {"partitions": partitions, "gaps": gaps, "cut": state.cut_us, "run": state.run, **erased}
    return json.dumps(found, sort_keys=True)
