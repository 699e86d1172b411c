"""Why a view of a stream can't be read: nobody keeps it online, or a part of the store lost what it had of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.errors import DataError, StoreError
from featurectl.online.corrupt_rows import RowPlace, shown_key
from featurectl.online.stream_state.base import StreamPoll


class UnreadViewError(DataError):
    """A view of a stream can't be read, or not all of it: `view` is as in `spend@1`, `source` the stream.

    Which one of its lists is read says not why. A poll does (`explained`).
    """

    def __init__(self, message: str, view: str, source: str, hint: str = "") -> None:
        super().__init__(message, code="FC550", hint=hint or f"featurectl stream run {source}")
        self.view, self.source = view, source


BEING_MADE: Final = "lists of it are being made"
UNMET: Final = "no worker has brought it there yet"


def no_worker(view: str, source: str) -> UnreadViewError:
    """Return the error for a view (`spend@1`) of which the store has no lists that can be read."""
    message = f"view {view} is not online: no worker of the stream {source} has brought it there yet"
    return UnreadViewError(message, view, source)


def explained(error: UnreadViewError, poll: StreamPoll) -> UnreadViewError:
    """Return why a view can't be read as a poll says it: lists of it are being made, else what the error says."""
    if error.view not in poll.being_made:
        return error
    what = error.message.partition(": ")[0]
    status = f"featurectl stream status {error.source}"
    hint = f"ask again in a while; {status} says when they are read, and whether a worker runs"
    return UnreadViewError(f"{what}: {BEING_MADE}", error.view, error.source, hint)


def kept_no_more(view: str, source: str) -> DataError:
    """Return the error for an older view version (`spend@1`) that no worker can keep: its source has changed."""
    message = f"view {view} is not kept online any more: its source {source} reads events in another way now"
    return DataError(message, code="FC550", hint="train a model on its newest version: featurectl train MODEL")


def new_features(view: str, names: Sequence[str], source: str) -> UnreadViewError:
    """Return the error for features of a view (`spend@1`) that lists were made without, as they were applied since."""
    what = (
        f"feature {names[0]} of view {view} is"
        if len(names) == 1
        else f"features {', '.join(names)} of view {view} are"
    )
    have = "have it" if len(names) == 1 else "have them"
    message = f"{what} not online yet: no worker of the stream {source} has made lists that {have}"
    return UnreadViewError(message, view, source)


def lost_lists(place: RowPlace) -> StoreError:
    """Return the error for an entity whose list a part of the store has lost, or not yet got anew."""
    whose = f"{place.field} {shown_key(place.key, place.names)}"
    hint = "a running worker writes them anew: featurectl stream run"
    return StoreError(f"a node of the online store has lost records of {whose}", code="FC602", hint=hint)


def named_place(error: StoreError, place: RowPlace) -> StoreError:
    """Return an error of a list that says whose list it is."""
    whose = f"{place.field} {shown_key(place.key, place.names)}"
    return StoreError(f"{whose}: {error.message}", code=error.code, hint=error.hint.replace("VIEW", place.field))


def sum_too_large(error: DataError, place: RowPlace) -> DataError:
    """Return the error of a sum that its type can't hold, with whose it is."""
    whose = f"{place.field} {shown_key(place.key, place.names)}"
    return DataError(f"{whose}: {error.message}", code=error.code, hint=error.hint)


def replaced_lists(view: str) -> StoreError:
    """Return the error for a view version whose lists were replaced each time that they were read."""
    return StoreError(f"the lists of {view} are being replaced by others", code="FC602", hint="ask again")
