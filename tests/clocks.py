"""A machine whose clock is wrong: what the modules that ask for the time are told."""

from __future__ import annotations

import importlib
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

WRITERS = (
    "featurectl.workspace.open",
    "featurectl.workspace.plain_registry",
    "featurectl.workspace.clocks",
    "featurectl.operations.run_recording",
)
READERS = (
    "featurectl.workspace.open",
    "featurectl.workspace.plain_registry",
    "featurectl.online.client.clients",
    "featurectl.serving.timed_store_reads",
)


class _AnyInstant(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta, modules: tuple[str, ...] = WRITERS) -> None:
    """Let a machine's clock be so far ahead of the real one, for who asks for it in some modules."""

    class Clock(datetime, metaclass=_AnyInstant):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + ahead

    for name in modules:
        monkeypatch.setattr(importlib.import_module(name), "datetime", Clock)
