"""What a training set was made of: enough to make it again, and to see what changed."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Final

from featurectl.core.frames.types import language_dtype
from featurectl.core.units import format_duration, format_iso
from featurectl.core.version import __version__
from featurectl.identity.fingerprint import Fingerprints, fingerprints
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.definitions.model import FeatureInput, ModelInput
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.feature_names import FeatureChoice
from featurectl.operations.training.build import TrainingSetBuild, count_repeats
from featurectl.operations.training.later_rows import count_early
from featurectl.operations.training.request import TrainingRequest
from featurectl.operations.training.unknown_keys import unknown_document

SCHEMA_VERSION: Final = 1
LIBRARIES: Final = ("polars", "numpy", "deltalake")


def library_versions(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of featurectl, Python and the libraries that a result depends on."""
    return {"featurectl": __version__, "python": platform.python_version()} | {n: metadata.version(n) for n in names}


def shown_refresh(view: FeatureView) -> str | None:
    """Return how often a view is refreshed, in the language's words; None: it declares nothing."""
    return None if view.refresh_us is None else format_duration(view.refresh_us)


def describe_training_set(made: TrainingSetBuild) -> dict[str, object]:
    """Return the manifest of a training set: what was asked for, what it was made of, what was counted."""
    request, spine, tally = made.resolved.request, made.spine, made.tally
    cut, inputs, views = request.cut, made.resolved.inputs, made.resolved.views.values()
    meanings = {name: fingerprints(bound.view) for name, bound in made.resolved.views.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "model": request.model,
        "options": _describe_options(request),
        "rows": tally.rows,
        "columns": made.frames.schema.names(),
        "inputs": [_describe_input(item, made, meanings) for item in inputs],
        "label": _describe_label(made) if made.label else None,
        "others": made.others,
        "views": {bound.label: meanings[name].data for name, bound in made.resolved.views.items()},
        "tables": {bound.label: bound.table_version for bound in views},
        "refresh": {bound.label: shown_refresh(bound.view) for bound in views} if request.as_served else {},
        "spine": {
            "origin": spine.origin,
            "time": spine.time_column,
            **({"known_at": spine.known_column, "early": count_early(spine)} if spine.known_column else {}),
            "rows": spine.height,
            "sha256": spine.sha256(),
            **({"erased": spine.erased} if spine.erased else {}),
            "duplicates": count_repeats(made),
            "since": None if cut.since is None else format_iso(cut.since),
            "until": None if cut.until is None else format_iso(cut.until),
            "sample": cut.sample,
            "seed": cut.seed,
        },
        "null_rates": {n: round(tally.nulls[n] / max(tally.rows, 1), 6) for n in made.frames.schema.names()},
        **({"unknown": unknown} if (unknown := unknown_document(tally.unknown)) else {}),
        "libraries": library_versions(),
        "definition": None if made.resolved.model is None else dump_definition(made.resolved.model),
    }


def _describe_options(request: TrainingRequest) -> dict[str, object]:
    """Return what was asked for; what came later than the first manifests stands there where it was asked for."""
    options: dict[str, object] = {
        "features": [_shown_choice(choice) for choice in request.features] or None,
        "spine": request.spine,
        "as_served": request.as_served,
    }
    if request.keys_from is not None and request.at is not None:
        options |= {"keys_from": request.keys_from, "at": format_iso(request.at)}
    if request.time is not None:
        options["time"] = request.time
    if request.known_at is not None:
        options["known_at"] = request.known_at
    if request.inputs_only:
        options["inputs_only"] = True
    return options | ({"join": dict(request.join)} if request.join else {})


def _shown_choice(choice: FeatureChoice) -> str:
    return f"{choice.view}:{choice.feature}" + (f" as {choice.prefix}" if choice.prefix else "")


def _describe_input(
    item: ModelInput, made: TrainingSetBuild, meanings: Mapping[str, Fingerprints]
) -> Mapping[str, object]:
    dtype = language_dtype(made.tally.types[item.name])
    if not isinstance(item, FeatureInput):
        kind = type(item).__name__.removesuffix("Input").lower()
        return {"name": item.name, "kind": kind, "dtype": dtype}
    bound = made.resolved.views[item.view]
    return {
        "name": item.name,
        "kind": "feature",
        "dtype": dtype,
        "view": item.view,
        "version": bound.version,
        "feature": item.feature,
        "fingerprint": meanings[item.view].features[item.feature],
    }


def _describe_label(made: TrainingSetBuild) -> Mapping[str, object]:
    counts = sorted((made.tally.labels or {}).items(), key=lambda item: (-item[1], item[0]))
    label = {"name": made.label, "null": made.tally.nulls[made.label], "counts": dict(counts)}
    target = made.target
    if target is None or target.ahead is None or target.label.horizon_us is None:
        return label
    ahead = target.ahead
    return {
        **label,
        "horizon": format_duration(target.label.horizon_us),
        "immature": made.tally.immature,
        "before_source": made.tally.before_source,
        "source": ahead.view.source.name,
        "watermark": None if ahead.watermark is None else format_iso(ahead.watermark),
        "first_event": None if ahead.first_event is None else format_iso(ahead.first_event),
        "source_rows": ahead.rows.mark,
    }
