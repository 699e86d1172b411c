"""The engine that an environment names; each is imported when it is opened. A second one is a line in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.engines.base import Engine
from featurectl.language.repo import Environment


def open_engine(environment: Environment, memory_bytes: int | None = None) -> Engine:
    """Return the engine of an environment; it may use so much memory for rows in this process (None: as it sees fit).

    Raises:
        UsageError: the environment names none that there is.
    """
    if environment.engine not in ENGINES:
        problem = f"environment {environment.name}: no engine {environment.engine!r}"
        raise UsageError(problem, hint="engines: " + ", ".join(ENGINES))
    return ENGINES[environment.engine](memory_bytes)


def open_local_engine(memory_bytes: int | None = None) -> Engine:
    """Return the engine of this process, for what is small and the same in every environment."""
    return ENGINES["polars"](memory_bytes)


def _polars(memory_bytes: int | None) -> Engine:
    from featurectl.engines.polars.engine import PolarsEngine

    return PolarsEngine(memory_bytes)


ENGINES: Final[Mapping[str, Callable[[int | None], Engine]]] = {"polars": _polars}
