"""A plan: what would change in a registry, why, and the stages that do it. Texts are drawn from its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from featurectl.registry.state import Kind, ObjectVersion
from featurectl.spec.place import Place

ChangeKind = Literal["breaking", "additive", "new", "metadata", "removed", "unchanged"]
Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One field that differs: added, left out or changed; `features` are those whose values it changes."""

    sign: Sign
    field: str
    old: str = ""
    new: str = ""
    features: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one object.

    `breaking` changes values of features that exist, and makes the next version; `additive` adds features and
    keeps the version; `metadata` recomputes nothing. Only feature views hold values, so a change of an entity, a
    source or a model is metadata: what it does to values stands at the views that read it. `blocked` says why the
    change can't be applied ("": it can), under `code`.
    """

    kind: ChangeKind
    object: Kind
    name: str
    old_version: int | None = None
    new_version: int | None = None
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    blocked: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One thing that apply does: write an object's version, or retire one."""

    action: Literal["write", "retire"]
    item: ObjectVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes of a project, most far-reaching first, against one serial of one registry."""

    project: str
    environment: str
    repo: str
    commit: str
    registry_id: str
    serial: int
    changes: tuple[Change, ...]
    stages: tuple[Stage, ...]

    @property
    def empty(self) -> bool:
        """True when there is nothing to apply."""
        return all(change.kind == "unchanged" for change in self.changes)

    @property
    def blocked(self) -> tuple[Change, ...]:
        """The changes that can't be applied."""
        return tuple(change for change in self.changes if change.blocked)

    def to_json(self) -> PlanJson:
        """Return the plan ready for JSON: the same plan gives the same text."""
        return PlanJson(
            project=self.project,
            environment=self.environment,
            repo=self.repo,
            commit=self.commit,
            registry=self.registry_id,
            serial=self.serial,
            summary=_summary(self.changes),
            changes=[_change(c) for c in self.changes if c.kind != "unchanged"],
            unchanged=[f"{c.object}:{c.name}" for c in self.changes if c.kind == "unchanged"],
            stages=[_stage(s) for s in self.stages],
            materialize=_materialize(self.changes),
        )


class SummaryJson(TypedDict):
    """How many objects of each fate."""

    add: int
    change: int
    breaking: int
    remove: int
    blocked: int
    unchanged: int


class ReasonJson(TypedDict):
    """`Reason`; `place` is path:line:column, relative to the repository."""

    sign: str
    field: str
    old: str
    new: str
    features: list[str]
    place: str


class ChangeJson(TypedDict):
    """`Change`."""

    kind: str
    object: str
    name: str
    old_version: int | None
    new_version: int | None
    reasons: list[ReasonJson]
    notes: list[str]
    blocked: str
    code: str


class StageJson(TypedDict):
    """`Stage`, without the definition."""

    action: str
    object: str
    name: str
    version: int


class WorkJson(TypedDict):
    """A view that the next `materialize` has work with: all of its rows, or only its new features."""

    view: str
    version: int
    whole: bool


class PlanJson(TypedDict):
    """`Plan`."""

    project: str
    environment: str
    repo: str
    commit: str
    registry: str
    serial: int
    summary: SummaryJson
    changes: list[ChangeJson]
    unchanged: list[str]
    stages: list[StageJson]
    materialize: list[WorkJson]


def _summary(changes: Sequence[Change]) -> SummaryJson:
    def count(*kinds: ChangeKind) -> int:
        return sum(change.kind in kinds for change in changes)

    return SummaryJson(
        add=count("new"),
        change=count("breaking", "additive", "metadata"),
        breaking=count("breaking"),
        remove=count("removed"),
        blocked=sum(bool(change.blocked) for change in changes),
        unchanged=count("unchanged"),
    )


def _change(change: Change) -> ChangeJson:
    return ChangeJson(
        kind=change.kind,
        object=change.object,
        name=change.name,
        old_version=change.old_version,
        new_version=change.new_version,
        reasons=[_reason(reason) for reason in change.reasons],
        notes=list(change.notes),
        blocked=change.blocked,
        code=change.code,
    )


def _reason(reason: Reason) -> ReasonJson:
    return ReasonJson(
        sign=reason.sign,
        field=reason.field,
        old=reason.old,
        new=reason.new,
        features=list(reason.features),
        place=str(reason.place or ""),
    )


def _stage(stage: Stage) -> StageJson:
    item = stage.item
    return StageJson(action=stage.action, object=item.kind, name=item.name, version=item.version)


def _materialize(changes: Sequence[Change]) -> list[WorkJson]:
    kinds = ("new", "breaking", "additive")
    return [
        WorkJson(view=change.name, version=change.new_version or 1, whole=change.kind != "additive")
        for change in changes
        if change.object == "feature_view" and change.kind in kinds
    ]
