"""Read online values of many entities of a view, with what it means that there are none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from featurectl.core.errors import DataError, FeaturectlError
from featurectl.core.units import instant_us
from featurectl.language.renaming import current_names
from featurectl.online.base import KeyValue
from featurectl.online.client.erased_reads import SuspectKeys
from featurectl.online.client.pushed_versions import never_pushed
from featurectl.online.client.read_view import ReadView
from featurectl.online.codec import pack_key
from featurectl.online.future_pushes import latest_at, tell_ahead
from featurectl.online.list_marks import marked_lists
from featurectl.online.read import Answer, ViewReader
from featurectl.online.stream_state.entity_reader import StreamEntityReader
from featurectl.online.stream_state.unread_views import UnreadViewError, explained
from featurectl.workspace.workspace import Workspace


def read_online(
    workspace: Workspace,
    read: ReadView,
    entities: Sequence[Sequence[KeyValue | None]],
    chosen: Collection[str] = (),
) -> list[Answer]:
    """Return the online values of entities at now, in order; a date of a key is its days since 1970-01-01.

    `chosen` are the features that matter, by their current names; none: all.

    Raises:
        DataError: FC511, the view version was never pushed; FC510, it was never materialized either. FC550, it is of
            a stream, and not online, or a feature of it that matters is not.
    """
    if read.view.source.is_stream:
        return _read_lists(workspace, read, entities, chosen)
    latest = latest_at(workspace.clock) if workspace.clock else None
    reader = ViewReader(read.view, read.online)
    answers = reader.read(workspace.online(), entities, workspace.now, latest)
    for place in hidden_places(workspace, read, entities):
        answers[place] = reader.answer(None, workspace.now, latest=latest)
    if all(a.computed_at is None for a in answers) and workspace.online().read_push_record(read.online) is None:
        raise _never_pushed(workspace, read)
    return answers


def hidden_places(workspace: Workspace, read: ReadView, entities: Sequence[Sequence[KeyValue | None]]) -> list[int]:
    """Return the places of entities that are erased and whose rows may still be in the store."""
    is_hidden, dtypes = hidden_keys(workspace, read), tuple(read.view.key_types.values())
    whole = [(place, [part for part in each if part is not None]) for place, each in enumerate(entities)]
    return [place for place, key in whole if len(key) == len(dtypes) and is_hidden(pack_key(key, dtypes))]


def hidden_keys(workspace: Workspace, read: ReadView) -> Callable[[bytes], bool]:
    """Return what tells the packed keys that are erased and of which something may still be in the store.

    It may until a push has ended that knows of the erasure, or the mark of lists says so: the store may be one that was
    restored.
    """
    entity, erasures = read.view.entity, workspace.erasures()
    if entity is None or not erasures.of(entity.name):
        return lambda _: False
    place = marked_lists(read.online) if read.view.source.is_stream else read.online
    find = SuspectKeys(erasures, entity.name, read.view.key_types).since(workspace.online().read_push_record(place))
    return lambda key: find is not None and find(key) is not None


def _read_lists(
    workspace: Workspace, read: ReadView, entities: Sequence[Sequence[KeyValue | None]], chosen: Collection[str]
) -> list[Answer]:
    """Return what the lists of a view of a stream say."""
    asked = workspace.now if workspace.clock is None else None
    wanted = [name for name, now in current_names(read.view).items() if not chosen or now in chosen]
    reader = StreamEntityReader(read.view, read.online, workspace.stream_reader(), wanted, hidden_keys(workspace, read))
    try:
        answers = reader.read(entities, asked)
    except DataError as error:
        if not read.is_kept:
            raise read.not_online() from error
        raise _explained(workspace, read, error) from None
    return [answer if asked else replace(answer, read_at=max(workspace.now, answer.asof)) for answer in answers]


def _explained(workspace: Workspace, read: ReadView, error: DataError) -> DataError:
    """Return that lists are being made, where that is why something is not online, else what the error says."""
    if not isinstance(error, UnreadViewError):
        return error
    try:
        return explained(error, workspace.stream_reader().read_poll(read.stream))
    except FeaturectlError:
        return error


def stream_ahead(workspace: Workspace, read: ReadView, answers: Sequence[Answer]) -> str:
    """Return of a view of a stream how far its answers lie ahead of the clock, in words; "" where they don't.

    Nor do they where the instant as of which they are was asked for.
    """
    if workspace.clock is None or not read.view.source.is_stream:
        return ""
    asofs = [instant_us(answer.asof) for answer in answers]
    ahead = tell_ahead(max(asofs, default=0), instant_us(workspace.clock))
    return f"view {read.field} is {ahead}" if ahead else ""


def _never_pushed(workspace: Workspace, read: ReadView) -> DataError:
    if workspace.offline().table(read.view.name, read.online.version, read.view.key_types).version() is None:
        hint = f"featurectl materialize {read.view.name}"
        return DataError(f"feature view {read.field} has no offline table", code="FC510", hint=hint)
    return never_pushed(workspace.applied_state(), read.view.name, read.online.version)
