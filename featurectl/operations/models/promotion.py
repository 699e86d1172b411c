"""The champion of a model: another version takes over when it passes the gates, and the one before can come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from featurectl.core.errors import UsageError
from featurectl.models.artifact import check_files_of
from featurectl.models.gates.evaluate import failed_gates
from featurectl.operations.training.asked_gates import check_gates
from featurectl.operations.training.champion import EvaluationContext, evaluation_context
from featurectl.operations.views import bind_model_version
from featurectl.registry.applied import check_views_kept, choose_usable, choose_version, split_name
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import CHALLENGER, CHAMPION, PREVIOUS, GateResult, ModelVersion, State
from featurectl.workspace.actor import Actor, current_actor
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What the gates found of a version that was to become champion; `before` is the champion of until then.

    `is_moved` False: it is champion already, or `failed` says why it is not.
    """

    version: ModelVersion
    before: int | None
    gates: tuple[GateResult, ...]
    is_moved: bool

    @property
    def failed(self) -> list[GateResult]:
        """The gates that it does not pass."""
        return failed_gates(self.gates)

    @property
    def is_refused(self) -> bool:
        """Whether it is not the champion now, because of them."""
        return not self.is_moved and self.before != self.version.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Which version is champion now, and which one was before; `before` None: nothing was there to go back to."""

    champion: int
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest:
    """A version to become champion: `MODEL@3`, or by an alias; a model alone means its challenger."""

    name: str
    allow_pickle: bool = False
    memory_bytes: int | None = None


def promote_model(workspace: Workspace, request: PromoteRequest) -> Promotion:
    """Make a version the champion if it passes the gates that are applied now.

    Raises:
        As `promote_version`; UsageError: there is no such version.
    """
    applied = read_applied(workspace)
    context = evaluation_context(applied, allow_pickle=request.allow_pickle, memory_bytes=request.memory_bytes)
    _check_challenger(applied.state, request.name)
    version = choose_usable(applied.state, *split_name(request.name, CHALLENGER))
    return promote_version(version, context, current_actor(workspace.root))


def _check_challenger(state: State, name: str) -> None:
    """See that a model that was named alone, and has versions, has a challenger."""
    found = [version for version in state.model_versions if version.model == name and version.status != "retired"]
    versions = [str(version.version) for version in found]
    if versions and (name, CHALLENGER) not in state.aliases:
        hint = f"featurectl models promote {name}@VERSION; versions: {', '.join(versions)}"
        raise UsageError(f"model {name} has no challenger to promote", hint=hint)


def check_name_of_model(text: str) -> None:
    """Check that a name is a model's alone.

    Raises:
        UsageError: it names a version.
    """
    if "@" in text:
        hint = "featurectl models promote MODEL@VERSION goes to a version"
        raise UsageError(f"{text!r} is no model's name", hint=hint)


def roll_back_model(workspace: Workspace, model: str) -> Rollback:
    """Make the champion of before the last promotion champion again.

    Raises:
        UsageError: there is no such model, or it has no champion.
        TryAgainError: the aliases have moved meanwhile.
    """
    check_name_of_model(model)
    state = workspace.applied_state()
    choose_version(state, model, CHAMPION)
    return roll_back(workspace, state, model, current_actor(workspace.root))


def promote_version(version: ModelVersion, context: EvaluationContext, actor: Actor) -> Promotion:
    """Make a version the champion if it passes the gates that its model asks for now.

    What was measured when it was trained stands, and is not measured again; the gain over the champion is, and so is
    what was not asked then, on the rows that the version was judged on. That a version was rejected by the gates of its
    training counts for nothing beside those that are applied now.

    Raises:
        TryAgainError: the aliases have moved meanwhile.
        StoreError: a table that the champion reads can't be read now.
        UsageError: its file runs code and the command was not given --allow-pickle; or a view version that it reads was
            retired.
        DataError: FC512, a file of it is gone or is another; FC525, its features mean something else by now.
    """
    before = context.state.aliases.get((version.model, CHAMPION))
    if before == version.version:
        return Promotion(version=version, before=before, gates=version.gates, is_moved=False)
    check_views_kept(version, context.state, "promoted")
    results = check_gates(version, context)
    if failed_gates(results):
        return Promotion(version=version, before=before, gates=results, is_moved=False)
    check_usable(version, context, actor.at)
    _move_champion(version, context, actor)
    return Promotion(version=replace(version, status="registered"), before=before, gates=results, is_moved=True)


def roll_back(workspace: Workspace, state: State, model: str, actor: Actor) -> Rollback:
    """Make the champion of before the last promotion champion again; a second time there is nothing to do.

    Raises:
        UsageError: the model has no champion.
        TryAgainError: the aliases have moved meanwhile.
    """
    seen = _aliases(state, model)
    if CHAMPION not in seen:
        raise UsageError(f"model {model} has no champion", hint=f"featurectl train {model}")
    back, now = seen.get(PREVIOUS), seen[CHAMPION]
    if back is None:
        return Rollback(champion=now, before=None)
    entry = _entry(actor, "models rollback", f"{model} champion v{now} -> v{back}")
    workspace.registry().write_aliases(state.project, model, {CHAMPION: back, PREVIOUS: None}, entry, seen)
    return Rollback(champion=back, before=now)


def check_usable(version: ModelVersion, context: EvaluationContext, at: datetime) -> None:
    """See that a version can be scored and served as it was trained: its files are there, and so are its features."""
    check_files_of(context.location, version)
    bind_model_version(context.state, context.offline, version, at)


def _move_champion(version: ModelVersion, context: EvaluationContext, actor: Actor) -> None:
    seen = _aliases(context.state, version.model)
    moves: dict[str, int | None] = {CHAMPION: version.version}
    if seen.get(CHALLENGER) == version.version:
        moves[CHALLENGER] = None
    was = f"v{seen[CHAMPION]} -> " if CHAMPION in seen else "-> "
    entry = _entry(actor, "models promote", f"{version.model} champion {was}v{version.version}")
    context.workspace.registry().write_aliases(context.state.project, version.model, moves, entry, seen)


def _aliases(state: State, model: str) -> Mapping[str, int]:
    return {alias: version for (name, alias), version in state.aliases.items() if name == model}


def _entry(actor: Actor, command: str, summary: str) -> HistoryEntry:
    return HistoryEntry(serial=0, at=actor.at, who=actor.who, commit=actor.commit, command=command, summary=summary)
