"""Batches that a driver fetches in a thread: the next one while the last is used, watched while none comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Final, Generic, TypeVar

_ASK_S: Final = 0.05  # so often a thread that can't give a batch looks whether it is wanted still
_END_S: Final = 2.0  # a driver that does not end its call by then is left alone
_Batch = TypeVar("_Batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceWatch:
    """What is done while nothing comes: `probe` each `silent_s` seconds, which raises where nothing will come.

    `cancel` is called when no more is wanted, while the driver may be in a call; it may take its time.
    """

    silent_s: float
    probe: Callable[[], None]
    cancel: Callable[[], None]


@dataclass(slots=True)
class _Handed(Generic[_Batch]):
    """What passes from the thread to who uses it."""

    queue: Queue[tuple[bool, _Batch | BaseException | None]] = field(default_factory=lambda: Queue(maxsize=1))
    unwanted: threading.Event = field(default_factory=threading.Event)

    def give(self, is_batch: bool, what: _Batch | BaseException | None) -> bool:  # noqa: FBT001  # a pair of the queue
        """Give a batch, or the end; return whether more is wanted."""
        while not self.unwanted.is_set():
            with suppress(Full):
                self.queue.put((is_batch, what), timeout=_ASK_S)
                return True
        return False


def read_ahead(batches: Iterator[_Batch], watch: SilenceWatch) -> Iterator[_Batch]:
    """Yield what an iterator gives that is gone through in a thread of its own, one ahead.

    A thread whose call does not end is left to itself: it keeps no process from ending.

    Raises:
        BaseException: what the iterator raises, or `watch.probe`.
    """
    handed = _Handed[_Batch]()
    thread = threading.Thread(target=_fetch, args=(batches, handed), name="featurectl rows", daemon=True)
    thread.start()
    try:
        while True:
            try:
                is_batch, what = handed.queue.get(timeout=watch.silent_s)
            except Empty:
                watch.probe()
                continue
            if isinstance(what, BaseException):
                raise what
            if not is_batch:
                return
            yield what  # type: ignore[misc]  # a batch
    finally:
        handed.unwanted.set()
        _end(thread, watch.cancel)


def _fetch(batches: Iterator[_Batch], handed: _Handed[_Batch]) -> None:
    try:
        for batch in batches:
            if not handed.give(True, batch):
                break
        close = getattr(batches, "close", None)
        if close is not None:
            close()
        handed.give(False, None)
    except BaseException as error:  # noqa: BLE001  # raised where the batches are used
        handed.give(False, error)


def _end(thread: threading.Thread, cancel: Callable[[], None]) -> None:
    thread.join(_ASK_S * 4)
    if thread.is_alive():
        threading.Thread(target=cancel, name="featurectl cancel", daemon=True).start()
        thread.join(_END_S)
