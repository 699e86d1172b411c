"""Read features, waiting for the store or giving way to other work: the same steps, once for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from featurectl.online.base import AsyncRowReader, RowReader
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import KEPT_S, Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.decode.columns import ViewColumns
from featurectl.online.row_schema import lost_schema, parse_schema, record_name, schema_name

FEW_VALUES: Final = 10_000  # are decoded in some milliseconds


def read_columns(store: RowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows) -> FeatureColumns:
    """Return the features of some rows.

    Raises:
        DataError: FC504 or FC506, the keys do not fit.
        StoreError: the store fails.
    """
    asks, packed = reader.asks(rows.keys, rows.count)
    at_s = time.monotonic()
    if due := pushes.due(reader.views, at_s):
        for project, env, views in _by_place(due):
            pushes.learn(views, store.fetch_shared(project, env, [record_name(view.field) for view in views]), at_s)
    found = store.fetch(asks)
    for decoder, view, schema_id in reader.unknown_schemas(packed, found):
        names = [schema_name(view.field, schema_id)]
        _learn(decoder, schema_id, store.fetch_shared(view.online.project, view.online.env, names)[0])
    return reader.answer(packed, found, rows, pushes.instants(reader.views))


async def read_columns_async(
    store: AsyncRowReader, reader: FeatureReader, pushes: Pushes, rows: KeyRows
) -> FeatureColumns:
    """Return what `read_columns` does, without waiting for the store; between many values it gives way.

    Raises:
        DataError: FC504 or FC506, the keys do not fit.
        StoreError: the store fails.
    """
    asks, packed = reader.asks(rows.keys, rows.count)
    await learn_pushes(store, pushes, reader.views)
    found = await store.fetch(asks)
    for decoder, view, schema_id in reader.unknown_schemas(packed, found):
        names = [schema_name(view.field, schema_id)]
        _learn(decoder, schema_id, (await store.fetch_shared(view.online.project, view.online.env, names))[0])
    pushed = pushes.instants(reader.views)
    if rows.count == 1 and (single := reader.single(found, rows, pushed)) is not None:
        return single
    columns: dict[str, FeatureColumn] = {}
    for some in reader.answers(packed, found, rows, pushed):
        columns |= some
        if rows.count * len(some) > FEW_VALUES:
            await asyncio.sleep(0)
    return reader.columns(columns, rows)


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
