"""What is read of a database is begun again where the connection is cut in the middle."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Final, TypeVar

from featurectl.core.errors import StoreError

RETRY_S: Final = (1.0, 4.0)  # before what was cut is begun again, each time
_Read = TypeVar("_Read")


class ConnectionCutError(StoreError):
    """A connection was cut while rows came by it: they may be asked for again."""


def begun_again(read: Callable[[], _Read]) -> _Read:
    """Return what `read` does; where a connection is cut it is begun again, as often as there are waits for it.

    A server that ended takes no connection at first, so what fails after a cut is begun again, too.

    Raises:
        StoreError: what it fails of at last, or at first where that is no cut.
    """
    was_cut = False
    for wait_s in RETRY_S:
        try:
            return read()
        except StoreError as error:
            was_cut = was_cut or isinstance(error, ConnectionCutError)
            if not was_cut:
                raise
            sleep(wait_s)
    try:
        return read()
    except ConnectionCutError as error:  # it was tried often enough: nobody begins again with it
        raise StoreError(error.message, code=error.code, hint=error.hint) from error
