"""A name that nothing applied has is answered with the names that there are."""

from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.registry.applied import newest_usable, not_applied, registered_view
from featurectl.registry.state import ObjectVersion, State
from tests.registry.test_contract import MODEL


def registered(kind, name, *, current=True, version=1):
    return ObjectVersion(kind=kind, name=name, version=version, definition={}, current=current)


STATE = State(
    project="shop",
    registry_id="r",
    serial=3,
    objects=(
        registered("feature_view", "spend", current=False),
        registered("feature_view", "spend", version=2),
        registered("feature_view", "carts"),
        registered("feature_view", "old", current=False),
        registered("model", "churn"),
    ),
)


@pytest.mark.parametrize(
    ("kind", "name", "message", "hint"),
    [
        ("feature_view", "spent", "no feature view 'spent' is applied in project shop",
         'did you mean "spend"? applied views: carts, spend'),
        ("feature_view", "spend@9", "no feature view 'spend@9' is applied in project shop",
         'did you mean "spend"? applied views: carts, spend'),
        ("model", "chum", "no model 'chum' is applied in project shop", 'did you mean "churn"? applied models: churn'),
        ("source", "x", "no source 'x' is applied in project shop", "no sources are applied: featurectl apply"),
    ],
)  # fmt: skip
def test_the_error_lists_each_name_once_and_none_that_was_removed(kind, name, message, hint):
    error = not_applied(STATE, kind, name)
    assert (error.message, error.hint) == (message, hint)


def test_the_error_of_a_version_that_is_not_there_lists_those_that_are():
    with pytest.raises(UsageError) as caught:
        registered_view(STATE, "spend", 9)
    assert caught.value.message == "no feature view 'spend@9' is applied in project shop"
    assert caught.value.hint == "versions of spend: 1, 2"
    assert registered_view(STATE, "spend", 1).version == 1


def test_the_newest_version_is_that_of_the_run_where_it_has_any():
    versions = tuple(
        replace(MODEL, model="churn", version=number, run_id=run_id, status=status)
        for number, run_id, status in (
            (1, "r/1", "registered"), (2, "r/1", "rejected"), (3, "", "registered"), (4, "r/2", "retired"),
        )
    )  # fmt: skip
    state = replace(STATE, model_versions=versions)
    assert [newest_usable(state, "churn", run_id).version for run_id in ("", "r/1", "r/9")] == [3, 2, 3]
    with pytest.raises(UsageError, match="model churn version 4 is retired"):
        newest_usable(state, "churn", "r/2")
