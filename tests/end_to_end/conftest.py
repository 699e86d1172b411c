"""The repositories of these tests: made once a process, not to be changed; a test that changes one copies it."""

from __future__ import annotations

import polars as pl
import pytest

from tests.end_to_end.checks import MODELS
from tests.end_to_end.flights import Repository, build, quicken_training, write_flights, write_some_flights


@pytest.fixture(scope="session")
def flights(tmp_path_factory) -> Repository:
    """Six weeks of flights, applied and materialized."""
    repository = write_some_flights(tmp_path_factory.mktemp("some") / "flights")
    quicken_training(repository)
    return build(repository)


@pytest.fixture(scope="session")
def training_sets(flights) -> dict[str, pl.DataFrame]:
    """The training sets of the six weeks by model."""
    return {model: flights.training_set(model) for model in MODELS}


@pytest.fixture(scope="session")
def all_flights(tmp_path_factory) -> Repository:
    """The year as the template has it, applied and materialized."""
    return build(write_flights(tmp_path_factory.mktemp("all") / "flights"))


@pytest.fixture(scope="session")
def all_training_sets(all_flights) -> dict[str, pl.DataFrame]:
    """The training sets of the year by model."""
    return {model: all_flights.training_set(model) for model in MODELS}
