"""A model version of one environment into another one: its files, a version there, gates measured there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from featurectl.core.errors import UsageError
from featurectl.core.progress import Progress
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.language.definitions.json_form import dump_definition, load_model, load_untyped_model
from featurectl.language.definitions.model import FeatureInput, ModelInput
from featurectl.models.gates.evaluate import failed_gates
from featurectl.operations.models.copy_files import copy_files
from featurectl.operations.models.match_views import MatchedView, MatchTarget, match_views
from featurectl.operations.models.promotion import Promotion, check_usable, promote_version
from featurectl.operations.training.asked_gates import check_gates
from featurectl.operations.training.champion import EvaluationContext, evaluation_context
from featurectl.registry.applied import choose_usable, registered_model, split_name
from featurectl.registry.base import HistoryEntry
from featurectl.registry.skew import input_fingerprint
from featurectl.registry.state import CHAMPION, BoundFeature, Json, ModelVersion, State
from featurectl.workspace.actor import Actor, current_actor
from featurectl.workspace.applied_workspace import read_applied

if TYPE_CHECKING:
    from featurectl.operations.models.promotion import PromoteRequest
    from featurectl.workspace.workspace import Workspace

Arrival = Literal["new", "there already", "shared registry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedVersion:
    """A version of one environment in another, how it came there, and what its promotion there has found.

    `arrival` "shared registry": both environments have one, so that it is no other version; nothing is promoted then.
    """

    origin: ModelVersion
    promotion: Promotion
    arrival: Arrival
    files: int

    @property
    def version(self) -> ModelVersion:
        """The version in the target's registry."""
        return self.promotion.version


def promote_to_environment(
    source: Workspace, target: Workspace, request: PromoteRequest, progress: Progress
) -> CopiedVersion:
    """Register a version in another environment, and make it the champion there if it passes the gates there.

    Its number there is the next one of that registry, and its views are those versions there that have the features
    of its training. Run again, it finds the version by its file and definition, and registers nothing.

    Raises:
        UsageError: there is no such version; the target is the environment itself, or the model is not applied there.
        CheckFailedError: a view has no version there with these features, or no table.
        DataError: FC512, a file of it is gone or is another.
        TryAgainError: the target's registry has changed meanwhile.
    """
    if source.environment.name == target.environment.name:
        raise UsageError(f"--to {target.environment.name}: it is there", hint="name another environment")
    state = source.applied_state()
    origin = choose_usable(state, *split_name(request.name))
    applied = read_applied(target)
    registered_model(applied.state, origin.model)
    context = evaluation_context(applied, allow_pickle=request.allow_pickle, memory_bytes=request.memory_bytes)
    if state.registry_id == applied.state.registry_id:
        return _of_one_registry(source, origin, context, progress)
    where = MatchTarget(environment=target.environment.name, state=applied.state, offline=target.offline())
    matched = match_views(origin, state, where)
    files = _copy(source, origin, context, progress)
    known = {"environment": source.environment.name, "registry": state.registry_id, "version": origin.version}
    return _arrive(replace(_copy_of(origin, matched), origin=known), origin, context, files)


def _of_one_registry(
    source: Workspace, origin: ModelVersion, context: EvaluationContext, progress: Progress
) -> CopiedVersion:
    """Return a version whose files are in both environments, for a registry has each version once."""
    files = _copy(source, origin, context, progress)
    before = context.state.aliases.get((origin.model, CHAMPION))
    stays = Promotion(version=origin, before=before, gates=origin.gates, is_moved=False)
    return CopiedVersion(origin=origin, promotion=stays, arrival="shared registry", files=files)


def _copy(source: Workspace, origin: ModelVersion, context: EvaluationContext, progress: Progress) -> int:
    progress.start(f"copy the files of {origin.model} version {origin.version}")
    files = copy_files(origin, source.offline_location(), context.location)
    progress.done("")
    return files


def _copy_of(origin: ModelVersion, matched: Mapping[str, MatchedView]) -> ModelVersion:
    """Return a version as it is to be registered elsewhere: bound to that registry's views, to no tables of its own."""
    definition = _definition_there(origin.definition, matched)
    there = {item.name: item for item in load_model(definition).inputs}
    features = {name: feature_fingerprints(match.view) for name, match in matched.items() if match.names}
    bound = (_bound_there(item, there[item.name], matched, features) if item.view else item for item in origin.inputs)
    return replace(
        origin,
        version=0,
        definition=definition,
        inputs=tuple(bound),
        view_versions={name: matched[name].version for name in origin.view_versions},
        table_versions={},
        gates=() if origin.judged else origin.gates,
        status="registered",
    )


def _definition_there(definition: Json, matched: Mapping[str, MatchedView]) -> Json:
    """Return a model's definition with features by the names that they are stored under there."""
    if not any(match.names for match in matched.values()):
        return definition
    model = load_untyped_model(definition)
    inputs = tuple(
        replace(item, feature=matched[item.view].names.get(item.feature, item.feature))
        if isinstance(item, FeatureInput)
        else item
        for item in model.inputs
    )
    return dump_definition(replace(model, inputs=inputs))


def _bound_there(
    bound: BoundFeature,
    item: ModelInput,
    matched: Mapping[str, MatchedView],
    features: Mapping[str, Mapping[str, str]],
) -> BoundFeature:
    """Return an input bound to the matched version of its view."""
    match = matched[bound.view]
    there = replace(bound, view_version=match.version, feature=match.names.get(bound.feature, bound.feature))
    if not (match.names and bound.fingerprint):
        return there
    return replace(there, fingerprint=input_fingerprint(item, features))


def _arrive(copied: ModelVersion, origin: ModelVersion, context: EvaluationContext, files: int) -> CopiedVersion:
    actor = current_actor(context.workspace.root)
    known = _find_copy(copied, context.state)
    if known is not None:
        promotion = promote_version(known, context, actor)
        return CopiedVersion(origin=origin, promotion=promotion, arrival="there already", files=files)
    check_usable(copied, context, actor.at)
    gates = check_gates(copied, context)
    promotion = _register(replace(copied, gates=gates), context, actor)
    return CopiedVersion(origin=origin, promotion=promotion, arrival="new", files=files)


def _find_copy(copied: ModelVersion, state: State) -> ModelVersion | None:
    """Return the version of a registry with the same file and definition that is not retired; None without one."""
    there = (v for v in state.model_versions if v.model == copied.model and v.status != "retired")
    same = (v for v in there if v.artifact_sha256 == copied.artifact_sha256 and v.definition == copied.definition)
    return next(same, None)


def _register(copied: ModelVersion, context: EvaluationContext, actor: Actor) -> Promotion:
    """Register a version and move the champion in one transaction, of the state that the gates were measured in."""
    state, model = context.state, copied.model
    number = max((v.version for v in state.model_versions if v.model == model), default=0) + 1
    failed = failed_gates(copied.gates)
    version = replace(copied, version=number, status="rejected" if failed else "registered")
    before = state.aliases.get((model, CHAMPION))
    moves: dict[str, int | None] = {} if failed else {CHAMPION: number}
    entry = HistoryEntry(
        serial=0,
        at=actor.at,
        who=actor.who,
        commit=actor.commit,
        command="models promote",
        summary=_summary(version, before),
    )
    context.workspace.registry().write_copied_version(state, version, moves, entry)
    return Promotion(version=version, before=before, gates=version.gates, is_moved=not failed)


def _summary(version: ModelVersion, before: int | None) -> str:
    """Return what the history says: "late v4 of dev v7, champion v3 -> v4"."""
    text = f"{version.model} v{version.version} of {version.origin['environment']} v{version.origin['version']}"
    if version.status == "rejected":
        return f"{text} (rejected)"
    was = "" if before is None else f"v{before} "
    return f"{text}, champion {was}-> v{version.version}"
