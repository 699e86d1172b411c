"""What a training set is asked for, and the definitions, tables and rows that this means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from featurectl.core.errors import UsageError
from featurectl.language.definitions.model import Model, ModelInput, views_read
from featurectl.language.resolve.feature_names import feature_inputs
from featurectl.operations.training.as_served import check_refresh
from featurectl.operations.training.bind import bind_newest, registered_model
from featurectl.operations.training.choose_spine import choose_spine
from featurectl.operations.training.join import BoundView
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, cut_long_spine
from featurectl.operations.training.spine import Cut, SpineRows, cut_spine
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """A training set as a person asks for it, and as its manifest keeps it.

    The inputs of a model, or `features` as (view, feature); `spine` names a source or a file, None: the model's own.
    `as_served`: values as the online store would have had them.
    """

    model: str | None = None
    features: tuple[tuple[str, str], ...] = ()
    spine: str | None = None
    cut: Cut = field(default_factory=Cut)
    as_served: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRequest:
    """A request with what it names: the model's definition (None without one), its inputs, the views with tables."""

    request: TrainingRequest
    model: Model | None
    inputs: Sequence[ModelInput]
    views: Mapping[str, BoundView]


def check_request(request: TrainingRequest) -> None:
    """See that a request asks for the inputs of a model or for features, and for rows that can be drawn.

    Raises:
        UsageError: it does not.
    """
    if (request.model is None) == (not request.features):
        raise UsageError("give a MODEL or --features, one of them")
    if not 0 < request.cut.sample <= 1:
        raise UsageError(f"--sample {request.cut.sample} is no share", hint="above 0, at most 1")
    if request.cut.seed < 0:
        raise UsageError(f"--seed {request.cut.seed} is no seed", hint="0 or more")


def resolve_request(request: TrainingRequest, applied: AppliedWorkspace) -> ResolvedRequest:
    """Return what a request means now: the model as it is applied, the newest version of each view and table.

    Raises:
        UsageError: something of that name is not applied, or a view says nothing of when it is refreshed.
        DataError: FC510, a view was never materialized.
    """
    check_request(request)
    model = None if request.model is None else registered_model(applied.state, request.model)
    names = views_read(model.inputs) if model else [view for view, _ in request.features]
    views = bind_newest(applied.state, applied.offline, names)
    inputs = (
        model.inputs if model else feature_inputs({name: bound.view for name, bound in views.items()}, request.features)
    )
    return ResolvedRequest(request=request, model=model, inputs=inputs, views=served_views(views, request))


def served_views(views: Mapping[str, BoundView], request: TrainingRequest) -> Mapping[str, BoundView]:
    """Return the views as a request asks for their values: exact, or as they were served."""
    if not request.as_served:
        return views
    check_refresh(bound.view for bound in views.values())
    return {name: replace(bound, as_served=True) for name, bound in views.items()}


def read_asked_spine(asked: ResolvedRequest, applied: AppliedWorkspace, place: SpillPlace | None = None) -> AnySpine:
    """Return the part of the spine that is asked for; with a `place` in files where it outgrows the memory."""
    spine = choose_spine(applied.open_source, applied.state, asked.model, asked.request.spine, place)
    if place is not None and not isinstance(spine, SpineRows):
        return cut_long_spine(spine, asked.request.cut, place)
    assert isinstance(spine, SpineRows)
    return cut_spine(spine, asked.request.cut)
