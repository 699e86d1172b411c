"""Aliases of a model move together or not at all, and the champion before is remembered, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from featurectl.core.errors import TryAgainError, UsageError
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


def test_an_alias_can_be_taken_away_that_is_not_there(three):
    move(three, challenger=None)
    assert aliases(three) == {"champion": 1}
