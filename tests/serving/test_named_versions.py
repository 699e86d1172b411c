"""A request may name any version of a model: of those without an alias a process keeps few loaded."""

from __future__ import annotations

from types import SimpleNamespace

from featurectl.serving.served import MOST_NAMED, Served


def test_few_versions_that_requests_named_stay_loaded_and_those_with_an_alias_do():
    state = SimpleNamespace(
        aliases={("late", "champion"): 1},
        model_versions=[],
        current=lambda *_: None,
        model_version=lambda model, number: SimpleNamespace(model=model, version=number),
    )
    served = Served(catalog=SimpleNamespace(state=state), load=lambda version: version)
    for number in range(1, 101):
        served._keep(("late", number), SimpleNamespace(version=number))
    assert sorted(number for _, number in served.models) == [1, *range(101 - MOST_NAMED, 101)]
