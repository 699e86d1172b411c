from __future__ import annotations

import pytest

from featurectl.core.errors import UsageError
from featurectl.engines.all_engines import ENGINES, open_engine, open_local_engine
from featurectl.language import repo
from featurectl.language.repo import Environment
from tests.engines import conftest


def environment(engine: str) -> Environment:
    return Environment(name="prod", registry="r", offline="o", online="x", engine=engine)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_an_engine_is_opened_by_the_name_in_the_environment(name):
    assert open_engine(environment(name), 123_456).memory_bytes == 123_456


def test_what_an_environment_may_name_is_what_can_be_opened():
    assert tuple(ENGINES) == repo.ENGINES


def test_an_engine_that_is_none_is_an_error_that_lists_those_that_are():
    with pytest.raises(UsageError) as caught:
        open_engine(environment("spark"))
    assert caught.value.message == "environment prod: no engine 'spark'"
    assert caught.value.hint == "engines: " + ", ".join(ENGINES)


def test_an_environment_that_says_nothing_has_the_engine_of_this_process():
    silent = Environment(name="dev", registry="r", offline="o", online="x")
    assert type(open_engine(silent)) is type(open_local_engine())


def test_every_engine_that_can_be_opened_runs_the_contract():
    assert set(conftest.ENGINES) == set(ENGINES)
