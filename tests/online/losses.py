"""What happens to an online store behind its back: rows and counters that are lost."""

# ruff: noqa: SLF001  # injures a store as no caller can

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featurectl.online.base import OnlineView
from featurectl.online.codec import pack_key
from featurectl.online.dynamodb import items
from featurectl.online.dynamodb.items import Item
from featurectl.online.dynamodb.store import DynamoBytes, DynamoStore
from featurectl.online.postgres import tables
from featurectl.online.postgres.store import PostgresBytes, PostgresStore
from featurectl.online.redis.keys import home_of, prefix_of
from featurectl.online.row_schema import field_name
from featurectl.online.sqlite.store import SqliteStore


def _is_file(store: Any) -> bool:
    return isinstance(store, SqliteStore)


def _in_postgres(store: object, query: str, *values: object) -> bool:
    """Change a store in PostgreSQL by a statement; False: it is none."""
    if not isinstance(store, PostgresStore):
        return False
    assert isinstance(store.bytes, PostgresBytes)
    store.bytes._link.write(lambda session: session.execute(query.encode(), values))
    return True


def _in_dynamodb(store: object, operation: str, key: Item, **change: Mapping[str, object]) -> bool:
    """Change a store in DynamoDB by a request about one item; False: it is none."""
    if not isinstance(store, DynamoStore):
        return False
    assert isinstance(store.bytes, DynamoBytes)
    request: dict[str, Any] = {"TableName": store.bytes.link.address.table, "Key": key}
    if change:
        [(name, value)] = change.items()
        request |= {"UpdateExpression": f"SET {name} = :value", "ExpressionAttributeValues": {":value": value}}
    store.bytes.link.ask(operation, request)
    return True


def _shared_in_dynamodb(view: OnlineView, name: str) -> Item:
    return items.place(items.home_of(view.project, view.env), name)


def lose_row(store: Any, view: OnlineView, *entity: str | int) -> None:
    """Take the row of an entity out of a store that does not see it."""
    key = pack_key(entity, tuple(view.keys.values()))
    if _is_file(store):
        store.bytes._connection.execute(
            "delete from rows where view = ? and entity = ?", (store.bytes._number(view), key)
        )
    elif not (
        _in_postgres(store, f"delete from {tables.table_of(view)} where entity = %b", key)
        or _in_dynamodb(store, "delete_item", items.row_place(items.view_shards(view), key))
    ):
        store.bytes.commands.ask("HDEL", prefix_of(view) + key + b"}", field_name(view))


def lose_count(store: Any, view: OnlineView) -> None:
    """Take the number of a view's entities out of a store."""
    if _is_file(store):
        store.bytes._connection.execute("update views set entities = 0 where id = ?", (store.bytes._number(view),))
    elif not (
        _in_postgres(store, f"update {tables.VIEWS} set entities = 0 where {tables.OF_VIEW}", *tables.view_key(view))
        or _in_dynamodb(store, "delete_item", _shared_in_dynamodb(view, f"count/{field_name(view)}"))
    ):
        store.bytes.commands.ask("HDEL", home_of(view), f"count/{field_name(view)}", f"counted/{field_name(view)}")
        if hasattr(store.bytes, "_cluster"):
            store.bytes._mark_change(view)
            for _ in store.bytes._counters(view, "HDEL"):
                pass


def spoil_row(store: Any, view: OnlineView, data: bytes, *entity: str | int) -> None:
    """Put bytes in the place of an entity's row."""
    key = pack_key(entity, tuple(view.keys.values()))
    if _is_file(store):
        query = "update rows set row = ? where view = ? and entity = ?"
        store.bytes._connection.execute(query, (data, store.bytes._number(view), key))
    elif not (
        _in_postgres(store, f"update {tables.table_of(view)} set row = %b where entity = %b", data, key)
        or _in_dynamodb(store, "update_item", items.row_place(items.view_shards(view), key), r={"B": data})
    ):
        store.bytes.commands.ask("HSET", prefix_of(view) + key + b"}", field_name(view), data)


def spoil_record(store: Any, view: OnlineView, data: bytes) -> None:
    """Put bytes in the place of the record of a view's last push."""
    if _is_file(store):
        store.bytes._connection.execute(
            "update views set push_record = ? where id = ?", (data, store.bytes._number(view))
        )
    elif not (
        _in_postgres(
            store, f"update {tables.VIEWS} set push_record = %b where {tables.OF_VIEW}", data, *tables.view_key(view)
        )
        or _in_dynamodb(store, "update_item", _shared_in_dynamodb(view, f"push/{field_name(view)}"), d={"B": data})
    ):
        store.bytes.commands.ask("HSET", home_of(view), f"push/{field_name(view)}", data)


def spoil_schemas(store: Any, view: OnlineView, text: str) -> None:
    """Put a text in the place of the schemas of a view's rows."""
    store.schemas.clear()
    if _is_file(store):
        store.bytes._connection.execute(
            "update schemas set document = ? where view = ?", (text, store.bytes._number(view))
        )
    elif isinstance(store, DynamoStore):
        assert isinstance(store.bytes, DynamoBytes)
        for name in store.bytes._names(items.home_of(view.project, view.env), f"schema/{field_name(view)}/"):
            _in_dynamodb(store, "update_item", _shared_in_dynamodb(view, name.decode()), d={"S": text})
    elif not _in_postgres(
        store, f"update {tables.SCHEMAS} set document = %s where {tables.OF_VIEW}", text, *tables.view_key(view)
    ):
        for name in store.bytes._schema_fields(view):
            store.bytes.commands.ask("HSET", home_of(view), name, text)
