"""What a training set was made of: enough to make it again, and to see what changed."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

import polars as pl

from featurectl import __version__
from featurectl.engines.polars.types import language_dtype
from featurectl.fingerprint import feature_fingerprints
from featurectl.spec.definition import FeatureInput, ModelInput
from featurectl.training.spine import Cut
from featurectl.training.training_set import TrainingSet
from featurectl.units import format_duration, format_iso

_LIBRARIES = ("polars", "numpy", "deltalake")


def library_versions(names: Sequence[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of featurectl, Python and the libraries that a result depends on."""
    return {"featurectl": __version__, "python": platform.python_version()} | {n: metadata.version(n) for n in names}


def describe_training_set(
    training_set: TrainingSet, inputs: Sequence[ModelInput], cut: Cut, model: str
) -> dict[str, object]:
    """Return the manifest: columns with their view versions and fingerprints, tables, spine, counts, null rates."""
    rows, values = training_set.rows, training_set.values
    label = values[training_set.label] if training_set.label else None
    return {
        "schema_version": 1,
        "model": model or None,
        "rows": rows.height,
        "columns": rows.columns,
        "inputs": [_describe_input(item, training_set) for item in inputs],
        "label": None if label is None else _describe_label(label, training_set),
        "tables": {bound.label: bound.table_version for bound in training_set.views.values()},
        "spine": {
            "origin": training_set.spine.origin,
            "time": training_set.spine.time_column,
            "rows": training_set.spine.own.height,
            "sha256": training_set.spine.sha256(),
            "since": None if cut.since is None else format_iso(cut.since),
            "until": None if cut.until is None else format_iso(cut.until),
            "sample": cut.sample,
            "seed": cut.seed,
        },
        "null_rates": null_rates(values, training_set.inputs),
        "libraries": library_versions(),
    }


def null_rates(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    """Return the share of nulls of each column, rounded to six places."""
    return {name: round(rows[name].null_count() / max(rows.height, 1), 6) for name in columns}


def _describe_input(item: ModelInput, training_set: TrainingSet) -> Mapping[str, object]:
    dtype = language_dtype(training_set.values.schema[item.name])
    if not isinstance(item, FeatureInput):
        kind = type(item).__name__.removesuffix("Input").lower()
        return {"name": item.name, "kind": kind, "dtype": dtype}
    bound = training_set.views[item.view]
    return {
        "name": item.name,
        "kind": "feature",
        "dtype": dtype,
        "view": item.view,
        "version": bound.version,
        "feature": item.feature,
        "fingerprint": feature_fingerprints(bound.view)[item.feature],
    }


def _describe_label(label: pl.Series, training_set: TrainingSet) -> Mapping[str, object]:
    told = {"name": label.name, "null": label.null_count(), "counts": _counts(label)}
    target = training_set.target
    if target is None or target.ahead is None or target.label.horizon_us is None:
        return told
    ahead = target.ahead
    return {
        **told,
        "horizon": format_duration(target.label.horizon_us),
        "immature": training_set.immature,
        "source": ahead.view.source.name,
        "watermark": None if ahead.watermark is None else format_iso(ahead.watermark),
        "source_rows": ahead.rows.mark,
    }


def _counts(label: pl.Series) -> Mapping[str, int]:
    """Rows by label value for labels of few values; empty for a label that is a measure."""
    if label.dtype.is_float() or label.n_unique() > 20:
        return {}
    counts = label.drop_nulls().value_counts(sort=True)
    return {str(value).lower(): int(count) for value, count in counts.iter_rows()}
