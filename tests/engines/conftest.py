"""The engines that must pass the contract: the tests of `test_contract_*.py` run on each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from featurectl.engines.base import Engine
from featurectl.engines.polars.engine import PolarsEngine

# A second engine is one more line here and in `engines/all_engines.py`: it is made of how many bytes it may use (None:
# as it sees fit) and how many threads.
ENGINES: Mapping[str, Callable[[int | None, int], Engine]] = {"polars": PolarsEngine}


@pytest.fixture(scope="session", params=list(ENGINES))
def make_engine(request: pytest.FixtureRequest) -> Callable[[int | None, int], Engine]:
    """How one of the engines is made, of bytes and threads."""
    return ENGINES[request.param]


@pytest.fixture(scope="session")
def engine(make_engine: Callable[[int | None, int], Engine]) -> Engine:
    """One of the engines, with memory for all that a test has."""
    return make_engine(1 << 30, 2)
