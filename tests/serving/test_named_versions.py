"""A request may name any version of a model: of those without an alias a process keeps few loaded."""

# ruff: noqa: SLF001  # the order of use, without models

from __future__ import annotations

from types import SimpleNamespace

from featurectl.serving.project.served_project import MOST_NAMED, ServedProject


def a_project():
    """A project as it is served, whose versions of a model are loaded at once."""
    state = SimpleNamespace(
        aliases={("late", "champion"): 1},
        model_versions=[],
        current=lambda *_: None,
        model_version=lambda model, number: SimpleNamespace(model=model, version=number),
    )
    return ServedProject(catalog=SimpleNamespace(state=state), load=lambda version: version)


def test_who_looks_at_the_models_may_go_on_while_others_are_loaded():
    served = a_project()
    for number in range(1, 4):
        served._keep(("late", number), SimpleNamespace(version=number))
    looking = iter(served.models.values())
    seen = [next(looking).version]
    for number in range(4, 30):
        served._keep(("late", number), SimpleNamespace(version=number))
    assert [*seen, *(model.version for model in looking)] == [1, 2, 3]


def test_few_versions_that_requests_named_stay_loaded_and_all_aliased_do():
    served = a_project()
    for number in range(1, 101):
        served._keep(("late", number), SimpleNamespace(version=number))
    assert sorted(number for _, number in served.models) == [1, *range(101 - MOST_NAMED, 101)]
