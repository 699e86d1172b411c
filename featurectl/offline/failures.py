"""What an offline store fails of, as errors: it refuses, does not answer, or is full."""

from __future__ import annotations

from collections.abc import Callable

from featurectl.core.disk_room import hint_of
from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.core.object_store import is_unanswered, refusal_of


def store_failure(message: str, error: Exception, shown: Callable[[str], str] = str) -> StoreError:
    """Return the error of what can't be done, as `message`; `shown` gives back the reason as people may see it."""
    kind = NoAnswerError if is_unanswered(error) else StoreError
    return kind(f"{message}: {shown(refusal_of(error))}", code="FC603", hint=hint_of(error))
