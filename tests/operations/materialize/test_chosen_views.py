"""Which versions of views are materialized."""

from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.operations.views import choose_views
from featurectl.registry.applied import served_views
from featurectl.registry.state import ModelVersion, ObjectVersion, State
from tests.operations.materialize.test_view import T0


def _view(name, version, *, current=True):
    return ObjectVersion(kind="feature_view", name=name, version=version, definition={}, current=current)


def _state(objects, bound):
    trained = [
        ModelVersion(
            model="m", version=i + 1, definition={}, inputs=(), view_versions={name: version}, table_versions={},
            params={}, metrics={}, label="y", rows_train=1, rows_validation=0, artifact="", artifact_format="",
            artifact_bytes=0, artifact_sha256="", libraries={}, code_commit="", seed=0, created_at=T0,
        )
        for i, (name, version) in enumerate(bound)
    ]  # fmt: skip
    return State(project="p", registry_id="r", serial=1, objects=tuple(objects), model_versions=tuple(trained))


def test_the_newest_version_and_those_in_use_are_materialized():
    objects = [_view("a", 1, current=False), _view("a", 2, current=False), _view("a", 3), _view("b", 1)]
    model = ObjectVersion(kind="model", name="m", version=1, definition={})
    state = _state([*objects, model], [("a", 1)])
    assert [(o.name, o.version) for o in served_views(state)] == [("a", 1), ("a", 3), ("b", 1)]
    removed = _state([*objects, replace(model, current=False)], [("a", 1)])
    assert [(o.name, o.version) for o in served_views(removed)] == [("a", 3), ("b", 1)]
    assert [o.name for o in choose_views(state, ["b"])] == ["b"]
    with pytest.raises(UsageError, match="no feature view 'c' is applied in project p"):
        choose_views(state, ["c"])
