"""Versions of models that are not used any more: retired, so that nothing is computed or served for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.registry.applied import choose_version, not_applied, served_views
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import CHALLENGER, CHAMPION, PREVIOUS
from featurectl.workspace.actor import current_actor
from featurectl.workspace.plain_registry import list_pins

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion, State
    from featurectl.workspace.workspace import Workspace

_ALIASED: Final = {
    CHAMPION: "is the champion",
    CHALLENGER: "is the challenger",
    PREVIOUS: "is what models rollback goes back to",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FreedView:
    """A version of a view that no model version is bound to any more, and what its table stays pinned for."""

    view: str
    version: int
    pinned_for: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`view@version`."""
        return f"{self.view}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The versions that were retired, as they were before, those that were retired already, and what that frees."""

    versions: tuple[ModelVersion, ...]
    already: tuple[ModelVersion, ...] = ()
    freed: tuple[FreedView, ...] = ()


def retire_versions(
    workspace: Workspace, names: Sequence[str], *, with_previous: bool = False, dry_run: bool = False
) -> Retirement:
    """Retire versions by `MODEL@3`, all or none; one that is retired already stays so.

    One that `models rollback` would go back to goes only `with_previous`; there is nothing to go back to then.

    Raises:
        UsageError: there is no such version, or one is needed: the hint names the command that frees it.
        TryAgainError: the registry has changed meanwhile.
    """
    state = workspace.applied_state()
    chosen = dict.fromkeys((v.model, v.version) for v in (_named(state, name) for name in names))
    versions = [choose_version(state, model, str(number)) for model, number in chosen]
    for version in versions:
        check_unneeded(state, version, but_for={PREVIOUS} if with_previous else ())
    already = tuple(version for version in versions if version.status == "retired")
    going = [version for version in versions if version.status != "retired"]
    return replace(_retire(workspace, state, going, "models retire", dry_run=dry_run), already=already)


def prune_versions(workspace: Workspace, model: str | None, keep: int, *, dry_run: bool = False) -> Retirement:
    """Retire the rejected versions of a model (of all: None), and the old ones but for so many of the newest.

    What an alias or a running canary names stays, and counts for none of these.

    Raises:
        UsageError: there is no such model, or `keep` is less than 1.
        TryAgainError: the registry has changed meanwhile.
    """
    if keep < 1:
        raise UsageError(f"--keep {keep}: at least 1 version of each model stays")
    state = workspace.applied_state()
    of_models = [v for v in state.model_versions if model in (None, v.model)]
    if model is not None and not of_models and state.current("model", model) is None:
        raise not_applied(state, "model", model)
    going = [version for name in _models(of_models) for version in _superseded(state, name, keep)]
    return _retire(workspace, state, going, "models prune", dry_run=dry_run)


def check_unneeded(state: State, version: ModelVersion, but_for: Collection[str] = ()) -> None:
    """Check that no running canary names a version, and no alias but for some.

    Raises:
        UsageError: one does; the hint is what ends that.
    """
    needed = why_needed(state, version, but_for)
    if needed is not None:
        why, hint = needed
        raise UsageError(f"model {version.model} version {version.version} {why}", hint=hint)


def why_needed(state: State, version: ModelVersion, but_for: Collection[str] = ()) -> tuple[str, str] | None:
    """Return what a version is needed for, and the commands that end that; None where nothing names it.

    That one of the aliases `but_for` points at it counts for nothing.
    """
    model, number = version.model, version.version
    run = state.running_canary(model)
    if run is not None and number in (run.challenger, run.champion):
        return f"is in a running canary, number {run.number}", f"featurectl models canary abort {model} ends it"
    retire = f"featurectl models retire {model}@{number} --with-previous"
    promote = f"featurectl models promote {model}@VERSION of another version"
    hints = {
        CHAMPION: f"{promote}, then {retire}",
        CHALLENGER: f"{promote.replace('promote', 'canary start')} frees it",
        PREVIOUS: f"{retire}: models rollback has nothing to go back to then",
    }
    for (named, alias), pointed in sorted(state.aliases.items()):
        if (named, pointed) == (model, number) and alias not in but_for:
            return _ALIASED.get(alias, f"is {alias}"), hints.get(alias, f"{promote} frees it")
    return None


def _named(state: State, name: str) -> ModelVersion:
    model, at, which = name.partition("@")
    if not at or not which:
        raise UsageError(f"{name}: which version?", hint=f"featurectl models retire {model}@VERSION")
    return choose_version(state, model, which)


def _models(versions: Sequence[ModelVersion]) -> list[str]:
    return sorted({version.model for version in versions})


def _superseded(state: State, model: str, keep: int) -> Iterator[ModelVersion]:
    """Yield the versions of a model that may go, the newest first."""
    newest_first = sorted((v for v in state.model_versions if v.model == model), key=lambda v: -v.version)
    left = keep
    for version in newest_first:
        if version.status == "retired" or why_needed(state, version) is not None:
            continue
        if version.status == "registered" and left:
            left -= 1
        else:
            yield version


def _retire(
    workspace: Workspace, state: State, versions: Sequence[ModelVersion], command: str, *, dry_run: bool
) -> Retirement:
    if versions and not dry_run:
        actor = current_actor(workspace.root)
        entry = HistoryEntry(
            serial=0, at=actor.at, who=actor.who, commit=actor.commit, command=command, summary=_summary(versions)
        )
        workspace.registry().retire_models(state, versions, entry)
    return Retirement(versions=tuple(versions), freed=_freed(workspace, state, versions))


def _summary(versions: Sequence[ModelVersion]) -> str:
    """Return what the history says: "late v1 v2, slow v4 retired"."""
    by_model = groupby(sorted(versions, key=lambda v: (v.model, v.version)), key=lambda v: v.model)
    return ", ".join(f"{model} {' '.join(f'v{v.version}' for v in each)}" for model, each in by_model) + " retired"


def _freed(workspace: Workspace, state: State, versions: Sequence[ModelVersion]) -> tuple[FreedView, ...]:
    """Return the view versions that were kept up to date for these versions alone."""
    places = {(v.model, v.version) for v in versions}
    after = tuple(replace(v, status="retired") if (v.model, v.version) in places else v for v in state.model_versions)
    still = {(o.name, o.version) for o in served_views(replace(state, model_versions=after))}
    gone = [(o.name, o.version) for o in served_views(state) if (o.name, o.version) not in still]
    pins = _holders(workspace) if gone else {}
    return tuple(FreedView(view=name, version=number, pinned_for=pins.get((name, number), ())) for name, number in gone)


def _holders(workspace: Workspace) -> Mapping[tuple[str, int], tuple[str, ...]]:
    """Return what pins the tables of each view version."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    for pin in list_pins(workspace):
        found.setdefault((pin.view, pin.version), {})[pin.holder] = None
    return {place: tuple(holders) for place, holders in found.items()}
