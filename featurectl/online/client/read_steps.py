"""Read features, waiting for the store or giving way to other work: the same steps, once for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from featurectl.core.errors import StoreError
from featurectl.online.base import Ask, AsyncRowReader, Found, RowReader
from featurectl.online.client.erased_reads import without_erased
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader, RowsRead
from featurectl.online.client.push_cache import KEPT_S, Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.decode.columns import ViewColumns
from featurectl.online.row_schema import lost_schema, parse_schema, record_name, schema_name
from featurectl.online.stream_state.protocols import AsyncStreamReader, OpenStreams, StreamReader
from featurectl.online.stream_state.unread_views import UnreadViewError, explained, replaced_lists

if TYPE_CHECKING:
    from featurectl.online.client.stream_inputs import ListsFound, StreamInputs, StreamQuestion, UnknownLayout

FEW_VALUES: Final = 10_000  # are decoded in some milliseconds
_TRIES: Final = 3  # at lists that are replaced while they are read


def read_columns(
    store: RowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows, streams: OpenStreams | None = None
) -> FeatureColumns:
    """Return the features of some rows; `streams` opens what reads the lists of streams, where there are any.

    Raises:
        DataError: FC504 or FC506, the keys do not fit; FC550, a view of a stream is not online.
        StoreError: the store fails.
    """
    try:
        return _read_columns(store, reader, pushes, rows, streams)
    except UnreadViewError as error:
        assert streams is not None, "nothing says how lists of streams are read"
        try:
            poll = streams().read_poll(reader.view(error.view).stream)
        except StoreError:
            raise error from None
        raise explained(error, poll) from None


def _read_columns(
    store: RowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows, streams: OpenStreams | None
) -> FeatureColumns:
    asks, packed = reader.asks(rows.keys, rows.count)
    at_s = time.monotonic()
    if due := pushes.due(reader.recorded, at_s):
        for project, env, views in _by_place(due):
            pushes.learn(views, store.fetch_shared(project, env, [record_name(view.field) for view in views]), at_s)
    found = without_erased(reader.erased, pushes, packed, store.fetch(asks))
    for decoder, view, schema_id in reader.unknown_schemas(packed, found):
        names = [schema_name(view.field, schema_id)]
        _learn(decoder, schema_id, store.fetch_shared(view.online.project, view.online.env, names)[0])
    streamed: dict[str, FeatureColumn] = {}
    if reader.streams is not None:
        assert streams is not None, "nothing says how lists of streams are read"
        question = reader.streams.question(rows.keys, rows.count)
        lists = _read_lists(streams(), reader.streams, question)
        lists = reader.streams.without_erased(question, lists, pushes)
        pushes.take_asofs(reader.streams.asofs(lists))
        rows = reader.streams.known_rows(rows, lists)
        for some in reader.streams.answers(question, lists, rows):
            streamed |= some
    return reader.answer(RowsRead(packed, found, pushes.instants(reader.row_views)), rows, streamed)


async def read_columns_async(
    store: AsyncRowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows
) -> FeatureColumns:
    """Return what `read_columns` does, without waiting for the store; between many values it gives way.

    The store is an `AsyncStreamReader` where a view is of a stream.

    Raises:
        DataError: FC504 or FC506, the keys do not fit; FC550, a view of a stream is not online.
        StoreError: the store fails.
    """
    try:
        return await _read_columns_async(store, reader, pushes, rows)
    except UnreadViewError as error:
        try:
            poll = await cast("AsyncStreamReader", store).read_poll(reader.view(error.view).stream)
        except StoreError:
            raise error from None
        raise explained(error, poll) from None


async def _read_columns_async(
    store: AsyncRowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows
) -> FeatureColumns:
    asks, packed = reader.asks(rows.keys, rows.count)
    await learn_pushes(store, pushes, reader.recorded)
    columns: dict[str, FeatureColumn] = {}
    found: Sequence[Sequence[Found]]
    if reader.streams is None:
        found = await store.fetch(asks)
    else:
        question = reader.streams.question(rows.keys, rows.count)
        found, lists = await _read_both(cast("AsyncStreamReader", store), reader.streams, asks, question)
        lists = reader.streams.without_erased(question, lists, pushes)
        pushes.take_asofs(reader.streams.asofs(lists))
        rows = reader.streams.known_rows(rows, lists)
        for some in reader.streams.answers(question, lists, rows):
            columns |= some
            if rows.count > 1 and (not some or rows.count * len(some) > FEW_VALUES):
                await asyncio.sleep(0)
    found = without_erased(reader.erased, pushes, packed, found)
    for decoder, view, schema_id in reader.unknown_schemas(packed, found):
        names = [schema_name(view.field, schema_id)]
        _learn(decoder, schema_id, (await store.fetch_shared(view.online.project, view.online.env, names))[0])
    read = RowsRead(packed, found, pushes.instants(reader.row_views))
    if rows.count == 1 and (single := reader.single(read, rows, columns)) is not None:
        return single
    for some in reader.answers(read, rows):
        columns |= some
        if rows.count * len(some) > FEW_VALUES:
            await asyncio.sleep(0)
    return reader.columns(columns, rows)


def _read_lists(store: StreamReader, streams: StreamInputs, question: StreamQuestion) -> ListsFound:
    """Return the lists of streams, whose layouts are known by then."""
    for _ in range(_TRIES):
        found = {source: store.read(source, asks) for source, asks in question.asks.items()}
        unknown = streams.unknown_layouts(found)
        documents = [store.read_layout(each.source, each.generation) for each in unknown]
        if _learn_layouts(unknown, documents):
            return found
    raise replaced_lists(unknown[0].generation.view)


async def _read_both(
    store: AsyncStreamReader, streams: StreamInputs, asks: Sequence[Ask], question: StreamQuestion
) -> tuple[Sequence[Sequence[Found]], ListsFound]:
    """Return rows and lists, which are asked for at once."""
    rows: Sequence[Sequence[Found]] = []
    for number in range(_TRIES):
        if number == 0 and asks:
            rows, found = await asyncio.gather(store.fetch(asks), _read_asks(store, question))
        else:
            found = await _read_asks(store, question)
        unknown = streams.unknown_layouts(found)
        documents = [await store.read_layout(each.source, each.generation) for each in unknown]
        if _learn_layouts(unknown, documents):
            return rows, found
    raise replaced_lists(unknown[0].generation.view)


async def _read_asks(store: AsyncStreamReader, question: StreamQuestion) -> ListsFound:
    if len(question.asks) == 1:
        [(source, asks)] = question.asks.items()
        return {source: await store.read(source, asks)}
    reads = [store.read(source, some) for source, some in question.asks.items()]
    return dict(zip(question.asks, await asyncio.gather(*reads), strict=True))


def _learn_layouts(unknown: Sequence[UnknownLayout], documents: Sequence[str]) -> bool:
    """Take the layouts of generations, and return whether there were all; one that is gone by now has none."""
    for each, document in zip(unknown, documents, strict=True):
        if document:
            each.columns.learn(each.generation.id, document)
    return all(documents)


async def learn_pushes(
    store: AsyncRowReader, pushes: Pushes, views: Sequence[ReadView], fresh_s: float = KEPT_S
) -> None:
    """Read the last push of some views anew, where what is known of it is older than `fresh_s`.

    Raises:
        StoreError: the store fails.
    """
    at_s = time.monotonic()
    for project, env, some in _by_place(pushes.due(views, at_s, fresh_s)):
        pushes.learn(some, await store.fetch_shared(project, env, [record_name(view.field) for view in some]), at_s)


def _by_place(views: Sequence[ReadView]) -> list[tuple[str, str, list[ReadView]]]:
    places: dict[tuple[str, str], list[ReadView]] = {}
    for view in views:
        places.setdefault((view.online.project, view.online.env), []).append(view)
    return [(project, env, some) for (project, env), some in places.items()]


def _learn(decoder: ViewColumns, schema_id: int, document: bytes | None) -> None:
    if document is None:
        raise lost_schema(schema_id)
    decoder.learn(schema_id, parse_schema(document))
