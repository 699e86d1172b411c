"""The table of a store: made by the first write where there is none, and its attribute of TTL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from featurectl.online.dynamodb.connect import (
    DynamoLink,
    InvalidRequestError,
    NotAllowedError,
    TableExistsError,
    TableMissingError,
)
from featurectl.online.dynamodb.items import TTL

_READY_S: Final = 120.0
_LOOK_S: Final = 0.2
_MAKE_HINT: Final = (
    "make it with partition key p (string) and sort key k (binary), or allow CreateTable, DescribeTable and "
    "UpdateTimeToLive"
)
_TTL_HINT: Final = (
    "let somebody run aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification "
    f"Enabled=true,AttributeName={TTL}, then run it again; without TTL nothing is ever let go by itself"
)
_KEYS: Final = {"p": ("S", "HASH"), "k": ("B", "RANGE")}


def make_table(link: DynamoLink) -> None:
    """Make the table, which is paid by request, and wait until it takes rows; another one may make it meanwhile.

    Raises:
        StoreError: it may not be made, or not be given TTL; or it is not ready after two minutes.
    """
    table = {"TableName": link.address.table}
    made = {
        **table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, (kind, _) in _KEYS.items()],
        "KeySchema": [{"AttributeName": name, "KeyType": part} for name, (_, part) in _KEYS.items()],
    }
    try:
        with suppress(TableExistsError):
            link.ask("create_table", made)
    except NotAllowedError as error:
        raise link.error(f"has no table, and none may be made here: {_refusal(error)}", _MAKE_HINT) from error
    ttl = {"Enabled": True, "AttributeName": TTL}
    with _made_without(link, "may not see here whether it is ready"):
        _wait(link, table)
    with (
        _made_without(link, "may not put TTL on it here"),
        suppress(InvalidRequestError),  # it is on: another one has made the table
    ):
        link.ask("update_time_to_live", {**table, "TimeToLiveSpecification": ttl})


@contextmanager
def _made_without(link: DynamoLink, what: str) -> Iterator[None]:
    """Turn a refusal into what is not there yet of a table that was made, which is used from then on as it is."""
    try:
        yield
    except NotAllowedError as error:
        name = link.address.table
        raise link.error(f"has its table now, but {what}: {_refusal(error)}", _TTL_HINT.format(name=name)) from error


def _refusal(error: NotAllowedError) -> str:
    """Return what the server said, without the store, which is named before."""
    return error.message.partition(" refuses: ")[2] or error.message


def _wait(link: DynamoLink, table: dict[str, Any]) -> None:
    end_s = time.monotonic() + _READY_S
    while True:
        try:
            status = link.ask("describe_table", table).found["Table"]["TableStatus"]
        except TableMissingError:  # what is read may be older than what was made
            status = "CREATING"
        if status in {"ACTIVE", "UPDATING"}:
            return
        if time.monotonic() > end_s:
            raise link.error(f"is not ready: its table is {status} after {_READY_S:g} s")
        time.sleep(_LOOK_S)
