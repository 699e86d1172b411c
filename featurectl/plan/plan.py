"""A plan: what would change in a registry, why, and the stages that do it. Texts are drawn from its JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, NotRequired, TypedDict

from featurectl.core.commits import parse_commit
from featurectl.core.kinds import ObjectKind
from featurectl.core.units import format_instant, format_iso
from featurectl.language.syntax.place import Place
from featurectl.plan.stream_views import streams_of
from featurectl.registry.state import ObjectVersion

ChangeKind = Literal["breaking", "removal", "additive", "new", "retrain", "metadata", "removed", "unchanged"]
Sign = Literal["+", "-", "~"]
ALLOW_OLDER: Final = "--allow-older"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReason:
    """One field that differs: added, left out or changed; `features` are those whose values it changes."""

    sign: Sign
    field: str
    old: str = ""
    new: str = ""
    features: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the next `materialize` has to do for a view version, as far as statistics tell (None: not known).

    The rows lie between two event times, have so many bytes where they lie now, and give the values of so many
    entities in the online store. `basis` says whose statistics these are: those of a table, else of the source.
    """

    basis: str
    since: datetime | None = None
    until: datetime | None = None
    rows: int | None = None
    size_bytes: int | None = None
    online_keys: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one object.

    `breaking` changes values of features that exist, and makes the next version; `removal` leaves features out that
    no trained model reads (and may add some), `additive` adds features: both keep the version; `metadata` recomputes
    nothing; `retrain` changes what the next training of a model makes: its inputs, label, trainer or output; `removed`
    is an object that the files leave out. Only feature views hold values, so a change of an entity or a source is
    metadata: what it does to values stands at the views that read it. `blocked` says why the
    change can't be applied ("": it can), under `code`; the option `allow` lifts that. `resumes`: the new version is one
    that the registry has already, of the same meaning, so that its table and rows go on.
    """

    kind: ChangeKind
    object: ObjectKind
    name: str
    old_version: int | None = None
    new_version: int | None = None
    reasons: tuple[ChangeReason, ...] = ()
    notes: tuple[str, ...] = ()
    blocked: str = ""
    code: str = ""
    allow: str = ""
    effort: Effort | None = None
    resumes: bool = False

    def lifted_by(self, options: Collection[str]) -> bool:
        """Return whether one of these options is the one that it waits for; a removal's may also be `KIND:NAME`."""
        whole = f"--allow-remove {self.object.removeprefix('feature_')}:{self.name}"
        return bool(self.allow) and (self.allow in options or (self.kind == "removed" and whole in options))

    @property
    def computes(self) -> bool:
        """True when the next `materialize` has new values to compute."""
        adds = self.kind == "removal" and any(reason.sign == "+" for reason in self.reasons)
        return self.object == "feature_view" and (adds or self.kind in ("new", "breaking", "additive"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One thing that apply does: write an object's version, retire one, or create what is missing outside.

    `create` makes room for a view version in the online store, or (without an item) the offline folder; it changes
    nothing that is there. `blocked`: it is left out as long as its change is blocked.
    """

    action: Literal["create", "write", "retire"]
    item: ObjectVersion | None = None
    blocked: bool = False

    @property
    def object(self) -> tuple[ObjectKind, str] | None:
        """The kind and name of the object that it is about."""
        return (self.item.kind, self.item.name) if self.item else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedCommit:
    """The commit that was applied last, by whom and when, and whether the one that is planned contains it.

    `contained` None: nobody knows that, and `reason` says why; where it is not, how the two stand to each other.
    """

    commit: str
    at: datetime
    who: str
    contained: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes of a project, most far-reaching first, against one serial of one registry.

    `digest` is that of the state that it was made against; `selected` are the terms of `--select`, `left` is how
    many changes they leave for another time. `unsupported` are parts of the repository that this version does not run,
    each as "path:line:column: what": a plan with any is not applied. `applied` is the commit that was applied before
    (None: there was none, or nobody has looked); a plan of one that does not contain it waits for `allow_older`.
    """

    project: str
    environment: str
    repo: str
    commit: str
    registry_id: str
    serial: int
    changes: tuple[Change, ...]
    stages: tuple[Stage, ...]
    digest: str = ""
    selected: tuple[str, ...] = ()
    left: int = 0
    unsupported: tuple[str, ...] = ()
    applied: AppliedCommit | None = None
    allow_older: bool = False

    @property
    def older(self) -> bool:
        """True when it would undo what was applied from another commit, and nobody has allowed that."""
        behind = self.applied is not None and self.applied.contained is False
        return behind and not self.unchanged and not self.allow_older

    @property
    def older_note(self) -> str:
        """What is to say of the commit that was applied before, in a sentence; "": nothing."""
        if self.applied is None or self.applied.contained or self.unchanged:
            return ""
        applied, commit = self.applied, parse_commit(self.applied.commit).shown
        known = f"{commit}, applied {format_instant(applied.at)} UTC by {applied.who or 'somebody'}"
        if applied.contained is None:
            return f"can't tell whether the files contain {known}: {applied.reason}"
        here = parse_commit(self.commit).shown
        return f"commit {here} {applied.reason} {known}: what was changed there may be undone"

    @property
    def empty(self) -> bool:
        """True when there is nothing to apply."""
        return not self.stages and self.unchanged

    @property
    def unchanged(self) -> bool:
        """True when the registry has nothing to learn: all that apply may do is to create what is missing outside."""
        return all(change.kind == "unchanged" for change in self.changes)

    @property
    def blocked(self) -> tuple[Change, ...]:
        """The changes that can't be applied."""
        return tuple(change for change in self.changes if change.blocked)

    def allowing(self, options: Collection[str]) -> Plan:
        """Return the plan with the changes that wait for these options (`--allow-remove NAME`) no longer blocked."""
        free = {(c.object, c.name) for c in self.changes if c.lifted_by(options)}
        return replace(
            self,
            allow_older=self.allow_older or ALLOW_OLDER in options,
            changes=tuple(replace(c, blocked="", code="") if (c.object, c.name) in free else c for c in self.changes),
            stages=tuple(replace(s, blocked=False) if s.object in free else s for s in self.stages),
        )

    def to_json(self) -> PlanJson:
        """Return the plan ready for JSON: the same plan gives the same text."""
        return PlanJson(
            project=self.project,
            environment=self.environment,
            repo=self.repo,
            commit=parse_commit(self.commit).name,
            dirty_files=parse_commit(self.commit).dirty_files,
            applied=_applied(self) if self.applied else None,
            registry=self.registry_id,
            serial=self.serial,
            digest=self.digest,
            selected=list(self.selected),
            not_selected=self.left,
            refused=list(self.unsupported),
            summary=_summary(self.changes),
            changes=[_change(c) for c in self.changes if c.kind != "unchanged"],
            unchanged=[f"{c.object}:{c.name}" for c in self.changes if c.kind == "unchanged"],
            stages=[_stage(s) for s in self.stages],
            materialize=_materialize(self.changes, streams_of(stage.item for stage in self.stages)),
        )


class SummaryJson(TypedDict):
    """How many objects of each fate."""

    add: int
    change: int
    breaking: int
    remove: int
    blocked: int
    blocked_breaking: NotRequired[int]  # plans in a history may be older than it
    unchanged: int


class ReasonJson(TypedDict):
    """`ChangeReason`; `place` is path:line:column, relative to the repository."""

    sign: str
    field: str
    old: str
    new: str
    features: list[str]
    place: str


class EffortJson(TypedDict):
    """`Effort`; instants in ISO 8601."""

    basis: str
    since: str | None
    until: str | None
    rows: int | None
    bytes: int | None
    online_keys: int | None


class ChangeJson(TypedDict):
    """`Change`."""

    kind: str
    object: ObjectKind
    name: str
    old_version: int | None
    new_version: int | None
    reasons: list[ReasonJson]
    notes: list[str]
    blocked: str
    code: str
    allow: str
    effort: EffortJson | None
    resumes: NotRequired[bool]  # plans in a history may be older than it


class StageJson(TypedDict):
    """`Stage`, without the definition; the object of what is created is `online_table` or `offline_folder`."""

    action: str
    object: str
    name: str
    version: int
    blocked: bool


class AppliedJson(TypedDict):
    """`AppliedCommit`; `note` says in a sentence what is to know ("": nothing), `blocked` whether apply refuses it."""

    commit: str
    dirty_files: int
    at: str
    who: str
    contained: bool | None
    note: str
    blocked: bool


class WorkJson(TypedDict):
    """A view that the next `materialize` has work with: all of its rows, only its new features, or its new rows.

    `resumes` stands for the last: the version was current before.
    """

    view: str
    version: int
    whole: bool
    resumes: NotRequired[bool]
    stream: NotRequired[str]  # the source whose workers keep it online


class PlanJson(TypedDict):
    """`Plan`."""

    project: str
    environment: str
    repo: str
    commit: str
    dirty_files: NotRequired[int]  # plans in a history may be older than these
    applied: NotRequired[AppliedJson | None]
    registry: str
    serial: int
    digest: str
    selected: list[str]
    not_selected: int
    refused: NotRequired[list[str]]  # plans in a history may be older than it
    summary: SummaryJson
    changes: list[ChangeJson]
    unchanged: list[str]
    stages: list[StageJson]
    materialize: list[WorkJson]


def _applied(plan: Plan) -> AppliedJson | None:
    if plan.applied is None:
        return None
    commit = parse_commit(plan.applied.commit)
    return AppliedJson(
        commit=commit.name,
        dirty_files=commit.dirty_files,
        at=format_iso(plan.applied.at),
        who=plan.applied.who,
        contained=plan.applied.contained,
        note=plan.older_note,
        blocked=plan.older,
    )


def _summary(changes: Sequence[Change]) -> SummaryJson:
    def count(*kinds: ChangeKind) -> int:
        return sum(change.kind in kinds for change in changes)

    return SummaryJson(
        add=count("new"),
        change=count("breaking", "removal", "additive", "retrain", "metadata"),
        breaking=count("breaking"),
        remove=count("removed"),
        blocked=sum(bool(change.blocked) for change in changes),
        blocked_breaking=sum(bool(change.blocked) and change.kind == "breaking" for change in changes),
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
        allow=change.allow,
        effort=_effort(change.effort) if change.effort else None,
        resumes=change.resumes,
    )


def _effort(effort: Effort) -> EffortJson:
    return EffortJson(
        basis=effort.basis,
        since=format_iso(effort.since) if effort.since else None,
        until=format_iso(effort.until) if effort.until else None,
        rows=effort.rows,
        bytes=effort.size_bytes,
        online_keys=effort.online_keys,
    )


def _reason(reason: ChangeReason) -> ReasonJson:
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
    if item is None:
        return StageJson(action=stage.action, object="offline_folder", name="", version=0, blocked=stage.blocked)
    kind = "online_table" if stage.action == "create" else item.kind
    return StageJson(action=stage.action, object=kind, name=item.name, version=item.version, blocked=stage.blocked)


def _materialize(changes: Sequence[Change], streams: Mapping[tuple[str, int], str]) -> list[WorkJson]:
    found = []
    for change in changes:
        if change.computes:
            version = change.new_version or 1
            goes_on = change.resumes and change.effort is None
            whole = change.kind in ("new", "breaking") and not goes_on
            work = WorkJson(view=change.name, version=version, whole=whole)
            if goes_on:
                work["resumes"] = True
            if (source := streams.get((change.name, version))) is not None:
                work["stream"] = source
            found.append(work)
    return found
