"""The number of a view version's entities: exact when nobody writes, whatever was killed before.

Who writes leaves a sign as long as it does, and adds what was new as it goes. Who finds the sign of another counts all
rows at its end, and so does who finds that another has counted them since it began: `g` is how often that was. A sign
that was not renewed for an hour is of a process that is gone; who counts all rows takes it away.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from featurectl.online.base import OnlineView
from featurectl.online.corrupt_rows import BrokenCountError
from featurectl.online.dynamodb.connect import ConditionRefusedError, DynamoLink, InvalidRequestError, TableMissingError
from featurectl.online.dynamodb.items import Item, home_of, place
from featurectl.online.dynamodb.reading import count_kept, pages
from featurectl.online.row_schema import field_name

_SIGN_S: Final = 3_600
_RENEWED_S: Final = 600.0
_LOOKS: Final = 3  # at all rows, while others add some; the next one that writes looks again
_IS_SAME: Final = "(attribute_not_exists(g) OR g = :turn)"


def count_place(view: OnlineView) -> Item:
    """Return the key of the item that has the number of entities."""
    return place(home_of(view.project, view.env), f"count/{field_name(view)}")


def read_count(link: DynamoLink, view: OnlineView) -> tuple[int, int]:
    """Return the number of entities, and how often all rows were counted.

    Raises:
        BrokenCountError: it is no number.
    """
    try:
        answer = link.ask("get_item", {**_table(link), "Key": count_place(view), "ConsistentRead": True})
    except TableMissingError:
        return 0, 0
    item = answer.found.get("Item", {})
    try:
        return int(item.get("n", _ZERO)["N"]), int(item.get("g", _ZERO)["N"])
    except (KeyError, ValueError) as error:
        raise BrokenCountError(field_name(view)) from error


class EntityCounter:
    """Counts what one writer adds to the rows of a view version, or takes away."""

    def __init__(self, link: DynamoLink, view: OnlineView) -> None:
        self._link, self._view = link, view
        self._home = home_of(view.project, view.env)
        self._prefix = f"writer/{field_name(view)}/"
        self._sign = self._prefix + secrets.token_hex(8)
        self._renew_s = 0.0
        self._counts_all = False
        self._turn = 0

    def begin(self) -> None:
        """Leave a sign, and look for those of others."""
        self._renew()
        self._counts_all = len(self._signs()) > 1
        _, self._turn = read_count(self._link, self._view)

    def distrust(self) -> None:
        """Know that what is added may not be all: the rows are counted at the end."""
        self._counts_all = True

    def add(self, number: int) -> None:
        """Add so many entities to the number, unless another has counted the rows meanwhile."""
        if time.monotonic() > self._renew_s:
            self._renew()
        if number:
            values = {":number": {"N": str(number)}, ":turn": {"N": str(self._turn)}}
            added = self._changed("ADD n :number", _IS_SAME, values)
            self._counts_all = self._counts_all or not added

    def end(self) -> None:
        """Take the sign away, when the number is right; else the next one counts."""
        if self._counts_all and not self._counted():
            return
        now_s = self._link.now_s()
        gone = [sign for sign, until_s in self._signs().items() if sign == self._sign.encode() or until_s <= now_s]
        for sign in gone:
            self._link.ask("delete_item", {**_table(self._link), "Key": place(self._home, sign)})

    def _counted(self) -> bool:
        """Set the number to that of the rows that there are, unless others go on; return whether it is set."""
        for _ in range(_LOOKS):
            was, turn = read_count(self._link, self._view)
            found = count_kept(self._link, self._view)
            values = {
                ":found": {"N": str(found)},
                ":was": {"N": str(was)},
                ":turn": {"N": str(turn)},
                ":next": {"N": str(turn + 1)},
            }
            condition = f"(attribute_not_exists(n) OR n = :was) AND {_IS_SAME}"
            if self._changed("SET n = :found, g = :next", condition, values):
                return True
        return False

    def _changed(self, change: str, condition: str, values: dict[str, Any]) -> bool:
        """Change the number under a condition; return whether it was met."""
        request = {
            **_table(self._link),
            "Key": count_place(self._view),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        try:
            self._counts_all = not self._link.ask("update_item", request).is_first or self._counts_all
        except ConditionRefusedError:
            return False
        except InvalidRequestError as error:
            raise BrokenCountError(field_name(self._view)) from error
        return True

    def _renew(self) -> None:
        until_s = int(self._link.now_s()) + _SIGN_S
        self._link.ask(
            "put_item", {**_table(self._link), "Item": place(self._home, self._sign) | {"u": _number(until_s)}}
        )
        self._renew_s = time.monotonic() + _RENEWED_S

    def _signs(self) -> dict[bytes, float]:
        """Return the signs of all who write, and until when each is one."""
        condition, values = "p = :p AND begins_with(k, :k)", {":k": {"B": self._prefix.encode()}}
        found = pages(self._link, self._home, {}, values, condition)
        return {
            bytes(item["k"]["B"]): float(item.get("u", _ZERO).get("N", 0)) for page in found for item in page["Items"]
        }


@contextmanager
def counted(link: DynamoLink, view: OnlineView) -> Iterator[EntityCounter]:
    """Give what counts; where what is done fails, the sign stays, and the next one counts the rows."""
    counter = EntityCounter(link, view)
    counter.begin()
    yield counter
    counter.end()


_ZERO: Final = {"N": "0"}


def _number(number: int) -> dict[str, str]:
    return {"N": str(number)}


def _table(link: DynamoLink) -> dict[str, str]:
    return {"TableName": link.address.table}
