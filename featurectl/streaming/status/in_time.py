"""Questions to stores and brokers that may hang: each in a thread of its own, answered in time or given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from featurectl.core.errors import FeaturectlError

T = TypeVar("T")


def ask_in_time(questions: Mapping[str, Callable[[], T]], limit_s: float) -> tuple[dict[str, T], dict[str, str]]:
    """Return the answers by name that came within so many seconds, and why there is none of the others.

    A question that hangs is left to itself: its thread keeps no process from ending.

    >>> ask_in_time({"a": lambda: 1}, 5.0)
    ({'a': 1}, {})
    """
    answers: dict[str, T] = {}
    failures: dict[str, str] = {}
    faults: list[BaseException] = []

    def ask(name: str, question: Callable[[], T]) -> None:
        try:
            answers[name] = question()
        except FeaturectlError as error:
            failures[name] = error.message
        except Exception as error:  # noqa: BLE001 (raised below, in the thread of who asks)
            faults.append(error)

    threads = {
        name: threading.Thread(target=ask, args=(name, question), name=f"status-{name}", daemon=True)
        for name, question in questions.items()
    }
    for thread in threads.values():
        thread.start()
    until_s = time.monotonic() + limit_s
    for name, thread in threads.items():
        thread.join(max(0.0, until_s - time.monotonic()))
        if thread.is_alive():
            failures[name] = f"no answer within {limit_s:g} s"
    if faults:
        raise faults[0]
    return {name: found for name, found in answers.items() if name not in failures}, dict(failures)
