"""Repositories and states of a registry, without files and without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from featurectl.identity.registered_kinds import Registrable, kind_of
from featurectl.language.repo import Environment, Repo
from featurectl.language.syntax.place import Place
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.plan import Change, Plan
from featurectl.registry.state import BoundFeature, ModelVersion, State

EMPTY = State(project="flights", registry_id="", serial=0)
DEV = Environment(name="dev", registry="sqlite:///r.db", offline="off", online="sqlite:///o.db")


def repo_of(*objects: Registrable, places: dict[tuple[str, ...], Place] | None = None) -> Repo:
    """A repository with these objects."""
    found: dict[str, dict[str, Registrable]] = {"entity": {}, "source": {}, "feature_view": {}, "model": {}}
    for item in objects:
        found[kind_of(item)][item.name] = item
    return Repo(
        project="flights",
        environments={"dev": DEV},
        entities=found["entity"],  # type: ignore[arg-type]
        sources=found["source"],  # type: ignore[arg-type]
        views=found["feature_view"],  # type: ignore[arg-type]
        models=found["model"],  # type: ignore[arg-type]
        places=places or {},
    )


def plan_of(repo: Repo, state: State, *allow_remove: str) -> Plan:
    """The plan of a repository for the environment dev."""
    return plan_repo(repo, state, PlanRequest(environment="dev", allow_remove=allow_remove))


def applied(plan: Plan, state: State) -> State:
    """The state after a plan, as a registry would leave it."""
    objects = {(o.kind, o.name, o.version): o for o in state.objects}
    for stage in plan.stages:
        if stage.action == "create" or stage.blocked or stage.item is None:
            continue
        item = replace(
            stage.item,
            applied_at=datetime(2026, 1, 1, tzinfo=UTC),
            current=stage.action == "write" and stage.item.current,
        )
        objects[item.kind, item.name, item.version] = item
    return replace(
        state, registry_id="r", serial=state.serial + 1, objects=tuple(objects[key] for key in sorted(objects))
    )


def state_of(*objects: Registrable) -> State:
    """The state after applying these objects to an empty registry."""
    return applied(plan_of(repo_of(*objects), EMPTY), EMPTY)


def trained(model: str, version: int, view: str, view_version: int, features: Sequence[str] = ()) -> ModelVersion:
    """A model version that is bound to a view's version and reads these features of it."""
    inputs = (
        BoundFeature(name=f, dtype="float64", model_dtype="float64", view=view, view_version=view_version, feature=f)
        for f in features
    )
    return ModelVersion(
        model=model,
        version=version,
        definition={},
        inputs=tuple(inputs),
        view_versions={view: view_version},
        table_versions={},
        params={},
        metrics={},
        label="y",
        rows_train=1,
        rows_validation=1,
        artifact="a",
        artifact_format="lightgbm",
        artifact_bytes=1,
        artifact_sha256="",
        libraries={},
        code_commit="",
        seed=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def the_change(plan: Plan) -> Change:
    """The only change of a plan that is one."""
    (found,) = [change for change in plan.changes if change.kind != "unchanged"]
    return found
