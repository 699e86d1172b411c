"""What a commit of the log of a stream has beside its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deltalake import CommitProperties, PostCommitHookProperties, Transaction

METADATA: Final = "featurectl_stream"
PREDICTED: Final = "predicted "  # before the name of a partition
HOOKS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=True)


def commit_properties(text: str, ends: Mapping[str, int]) -> CommitProperties:
    """Return what a commit has that says a state: nothing is tried again, as another may have come between.

    `ends` are the application transactions: those that are not named stay when older workers commit.
    """
    transactions = [Transaction(name, end) for name, end in sorted(ends.items())]
    return CommitProperties(custom_metadata={METADATA: text}, max_commit_retries=0, app_transactions=transactions)
