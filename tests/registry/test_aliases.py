"""Aliases of a model move together or not at all, and the champion before is remembered, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.registry.rows import model_document
from featurectl.registry.tables import model_versions
from tests.registry.test_canaries import RUN
from tests.registry.test_contract import MODEL, MOVED


def aliases(registry):
    return {alias: version for (_, alias), version in registry.load_state("flights").aliases.items()}


@pytest.fixture
def three(registry):
    registry.write_model_version("flights", MODEL, ["champion"])
    for _ in range(2):
        registry.write_model_version("flights", MODEL, [])
    return registry


def move(registry, seen=None, **moves):
    registry.write_aliases("flights", "late", moves, MOVED, seen)


def test_several_aliases_move_in_one_transaction_with_one_entry(three):
    move(three, challenger=2)
    before = three.load_state("flights").serial
    move(three, champion=2, challenger=None)
    assert aliases(three) == {"champion": 2, "previous": 1}
    assert three.load_state("flights").serial == before + 1
    assert three.read_history("flights")[0] == replace(MOVED, serial=before + 1)


def test_nothing_moves_when_one_of_the_versions_is_not_there(three):
    history = three.read_history("flights")
    with pytest.raises(UsageError, match="model late has no version 9"):
        move(three, champion=2, challenger=9)
    assert aliases(three) == {"champion": 1}
    assert three.read_history("flights") == history


def test_the_champion_before_is_remembered_by_whoever_moves_it(three):
    three.write_alias("flights", "late", "champion", 2, MOVED)
    assert aliases(three) == {"champion": 2, "previous": 1}
    three.write_model_version("flights", MODEL, ["champion"])
    assert aliases(three) == {"champion": 4, "previous": 2}
    move(three, champion=4)
    assert aliases(three) == {"champion": 4, "previous": 2}


def test_a_move_may_say_itself_what_was_before(three):
    move(three, champion=2)
    move(three, champion=1, previous=None)
    assert aliases(three) == {"champion": 1}


def test_a_move_by_aliases_that_are_others_by_now_is_refused(three, open_registry):
    seen = aliases(three)
    move(open_registry(), champion=2)
    with pytest.raises(TryAgainError, match="the aliases of model late have moved meanwhile"):
        move(three, seen, champion=3)
    assert aliases(three) == {"champion": 2, "previous": 1}
    move(three, aliases(three), champion=3)
    assert aliases(three) == {"champion": 3, "previous": 2}


def test_what_an_alias_comes_to_name_is_rejected_no_more(registry):
    for _ in range(3):
        registry.write_model_version("flights", replace(MODEL, status="rejected"), [])
    move(registry, champion=2)
    move(registry, champion=None)
    assert [v.status for v in registry.load_state("flights").model_versions] == ["rejected", "registered", "rejected"]


@pytest.mark.sample(5)
@pytest.mark.parametrize("alias", ["champion", "previous", "beta"])
def test_an_alias_of_older_registries_counts_for_more_than_a_rejection(registry, alias):
    registry.write_model_version("flights", MODEL, ["champion"])
    registry.write_model_version("flights", MODEL, [alias])
    with registry._database.writing() as connection:  # noqa: SLF001  # as they wrote it: the alias alone has moved
        document = model_document(replace(MODEL, version=2, status="rejected"))
        connection.execute(update(model_versions).where(model_versions.c.version == 2).values(document=document))
    state = registry.load_state("flights")
    assert [version.status for version in state.model_versions] == ["registered", "registered"]
    move(registry, champion=1)
    run = replace(RUN, champion=1, challenger=2)
    registry.start_canary("flights", run, MOVED)
    assert registry.load_state("flights").running_canary("late").challenger == 2


def test_an_alias_can_be_taken_away_that_is_not_there(three):
    move(three, challenger=None)
    assert aliases(three) == {"champion": 1}
