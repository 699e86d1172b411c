"""The keys of requests in DynamoDB: an item each, claimed under a condition; TTL forgets them.

    p: <project>/<env>/<source>/keys   k: digest of the key
    b: digest of the body, o: the token that has it (empty: it was carried out), u: when it was claimed, in us,
    n: events, t: when it is forgotten

A table has no bound of memory, so that keys are not forgotten before their day is over, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from featurectl.core.units import instant_us
from featurectl.online.dynamodb.address import parse_address
from featurectl.online.dynamodb.connect import ConditionRefusedError, DynamoLink, TableMissingError
from featurectl.online.dynamodb.items import Item, place
from featurectl.online.dynamodb.table import make_table
from featurectl.online.request_keys import KEPT_US, LEASE_US, KeyClaim, KnownKey, RequestKey, claim_known, place_of_keys
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

_DONE: Final = ""
_FREE: Final = (
    "attribute_not_exists(k) OR u <= :forgotten OR (b = :body AND o <> :done AND (o = :token OR u <= :given_up))"
)


class DynamoRequestKeys:
    """A `RequestKeys` in DynamoDB, by the clock that the server's answers say to the second."""

    def __init__(self, url: str, shown: str, limit_s: float, clock: MicrosecondClock | None = None) -> None:
        self._link = DynamoLink(parse_address(url, shown), limit_s, limit_s)
        self._clock = clock
        self._table = {"TableName": self._link.address.table}

    def claim(self, source: StreamSource, keys: Sequence[RequestKey]) -> list[KeyClaim]:
        """Claim keys, one after the other, each by a request."""
        return [self._claim(_partition(source), key) for key in keys]

    def settle(self, source: StreamSource, keys: Sequence[RequestKey], events: Sequence[int]) -> None:
        """Say that requests were carried out."""
        for key, number in zip(keys, events, strict=True):
            values = {":done": {"S": _DONE}, ":events": {"N": str(number)}}
            self._end("update_item", source, key, {"UpdateExpression": "SET o = :done, n = :events"}, values)

    def release(self, source: StreamSource, keys: Sequence[RequestKey]) -> None:
        """Give claims up."""
        for key in keys:
            self._end("delete_item", source, key, {}, {})

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _claim(self, partition: str, key: RequestKey) -> KeyClaim:
        now_us = self._now_us()
        item = _item(partition, key, now_us)
        values = {
            ":forgotten": {"N": str(now_us - KEPT_US)},
            ":given_up": {"N": str(now_us - LEASE_US)},
            ":body": {"S": key.body},
            ":token": {"S": key.token},
            ":done": {"S": _DONE},
        }
        request = {
            **self._table,
            "Item": item,
            "ConditionExpression": _FREE,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            self._put(request)
        except ConditionRefusedError as refused:
            return claim_known(_known(refused.item), key, now_us)
        return KeyClaim(status="new")

    def _put(self, request: Mapping[str, Any]) -> None:
        try:
            self._link.ask("put_item", request)
        except TableMissingError:
            make_table(self._link)
            self._link.ask("put_item", request)

    def _end(
        self, operation: str, source: StreamSource, key: RequestKey, asked: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Change or remove the item of a key that its token has; a claim of another is left."""
        request = {
            **self._table,
            "Key": place(_partition(source), key.name),
            "ConditionExpression": "o = :token",
            "ExpressionAttributeValues": {":token": {"S": key.token}, **values},
            **asked,
        }
        try:
            self._link.ask(operation, request)
        except (ConditionRefusedError, TableMissingError):
            return

    def _now_us(self) -> int:
        return instant_us(self._link.now()) if self._clock is None else self._clock()


def _partition(source: StreamSource) -> str:
    return f"{place_of_keys(source)}/keys"


def _item(partition: str, key: RequestKey, now_us: int) -> Item:
    forgotten_s = (now_us + KEPT_US) // 1_000_000 + 1
    return place(partition, key.name) | {
        "b": {"S": key.body},
        "o": {"S": key.token},
        "u": {"N": str(now_us)},
        "n": {"N": "0"},
        "t": {"N": str(forgotten_s)},
    }


def _known(item: Mapping[str, Any]) -> KnownKey:
    return KnownKey(body=item["b"]["S"], token=item["o"]["S"], begun_us=int(item["u"]["N"]), events=int(item["n"]["N"]))
