"""What a model says, field by field."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Final

from featurectl.core.units import format_duration
from featurectl.expressions.check import untyped_canonical
from featurectl.identity.facts.base import Fact, Facts, constant, duration, names, plain, written
from featurectl.identity.facts.sources import expression_reads
from featurectl.language.definitions.gates import Canary, Gates
from featurectl.language.definitions.model import FeatureInput, Label, Model, ModelInput, RequestInput, Trainer
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source

SELECT: Final = ".select."  # behind what reads a column of a source's `select`, before its name
VALIDATION_SELECT: Final = f"trainer.validation{SELECT}"


def model_facts(model: Model) -> Facts:
    """Return everything in a model that can change its scores."""
    spine = model.spine
    facts = {
        "spine.source": plain(spine.source.name),
        "spine.time": plain(spine.time),
        "spine.where": written(spine.where),
        **({} if spine.known_at is None else {"spine.known_at": plain(spine.known_at)}),
        "features": names(_in_any_key_order(model.inputs)),
        "output.name": plain(model.output_name),
        "output.type": plain(model.output_dtype),
    }
    facts |= _label_facts(spine.label) if spine.label else {}
    facts |= _selected_facts(model)
    facts |= {f"features.{i.name}": input_fact(i) for i in model.inputs}
    return facts | (_trainer_facts(model.trainer) if model.trainer else {})


def _selected_facts(model: Model) -> dict[str, Fact]:
    """Return the columns of a source's `select` that the model reads there, by what reads them.

    The rows of a validation source are read as those of the spine are.
    Types are left out: a column whose type came into sight is the same column.
    """
    spine, facts = model.spine, dict[str, Fact]()
    reads: list[tuple[str, Source, Collection[str]]] = [
        ("spine.time", spine.source, {spine.time}),
        ("spine.where", spine.source, expression_reads(spine.where)),
        ("spine.known_at", spine.source, {spine.known_at} if spine.known_at else set()),
    ]
    reads += [(f"features.{item.name}", spine.source, _spine_columns(item)) for item in model.inputs]
    if spine.label is not None:
        reads.append(("spine.label", spine.label.source or spine.source, _label_columns(spine.label)))
    if model.trainer is not None and model.trainer.validation_source is not None:
        of_spine = {name for _, source, columns in reads if source is spine.source for name in columns}
        reads.append((VALIDATION_SELECT.removesuffix(SELECT), model.trainer.validation_source, of_spine))
    for reader, source, columns in reads:
        made = {item.name: item.expression.text for item in source.select if item.name in columns}
        facts |= {f"{reader}{SELECT}{name}": Fact(untyped_canonical(text), text) for name, text in made.items()}
    return facts


def _spine_columns(item: ModelInput) -> Collection[str]:
    """Return the columns of the spine that an input is taken from, or joined by."""
    if isinstance(item, FeatureInput):
        return set(item.join.values())
    return {item.name} if isinstance(item, RequestInput) else set()


def _label_columns(label: Label) -> Collection[str]:
    """Return the columns that a label reads: of the source that it looks ahead in, or of the spine."""
    if label.source is not None:
        return expression_reads(label.where) | ({label.column} if label.column else set())
    return {label.name} if label.expression is None else expression_reads(label.expression)


def _in_any_key_order(inputs: Iterable[ModelInput]) -> list[str]:
    """Return the names of inputs in their order; request columns are keys of a mapping, and theirs has no meaning."""
    ordered: list[str] = []
    for is_request, group in groupby(inputs, lambda item: isinstance(item, RequestInput)):
        found = [item.name for item in group]
        ordered += sorted(found) if is_request else found
    return ordered


def _label_facts(label: Label) -> dict[str, Fact]:
    facts = {
        "name": plain(label.name),
        "expr": written(label.expression),
        "entity": plain(label.entity.name if label.entity else None),
        "source": plain(label.source.name if label.source else None),
        "op": plain(label.op),
        "column": plain(label.column),
        "where": written(label.where),
        "horizon": duration(label.horizon_us),
    }
    return {f"spine.label.{field}": fact for field, fact in facts.items()}


def label_text(label: Label | None) -> str:
    """Return what a label is, in a line: "is_late: arr_delay > 15"; "-" without one."""
    if label is None:
        return "-"
    text = label.name if label.expression is None else f"{label.name}: {label.expression.text}"
    if label.horizon_us is None or label.source is None:
        return text
    of = f" of {label.column}" if label.column else ""
    where = f" where {label.where.text}" if label.where else ""
    return f"{text} ({label.op}{of} over {label.source.name}{where} in the {format_duration(label.horizon_us)} after)"


def input_fact(item: ModelInput) -> Fact:
    """Return one column of a model's matrix: where it comes from and its type."""
    if isinstance(item, FeatureInput):
        join = ", ".join(f"{key}: {column}" for key, column in sorted(item.join.items()))
        text = f"{item.view}:{item.feature} ({join}) as {item.model_dtype or 'its own type'}"
        default = constant(item.default, item.dtype).value
        kept = sorted(item.join.items()), item.dtype, item.model_dtype, default, item.categories
        return Fact(["feature", item.view, item.feature, *kept], text)
    if isinstance(item, RequestInput):
        return Fact(["request", item.dtype, item.model_dtype], f"request {item.model_dtype}")
    value = [written(item.expression).value, item.dtype, constant(item.default, item.dtype).value]
    return Fact(["derived", *value], item.expression.text)


def _trainer_facts(trainer: Trainer) -> dict[str, Fact]:
    facts = {f"params.{name}": Fact(value, json.dumps(value)) for name, value in trainer.params.items()}
    facts |= {
        "estimator": plain(trainer.estimator),
        "run": plain(trainer.run),
        "validation.fraction": plain(trainer.split_fraction),
        "validation.source": plain(trainer.validation_source.name if trainer.validation_source else None),
        "sample": plain(trainer.sample),
        "seed": plain(trainer.seed),
    }
    return {f"trainer.{field}": fact for field, fact in facts.items()}


def model_metadata(model: Model) -> Facts:
    """Return what a model says that can't change its scores: what is allowed, refused, asked of a version."""
    facts = {
        "allow_pickle": plain(model.allow_pickle),
        "missing.no_row": plain(model.missing_no_row),
        "missing.stale": plain(model.missing_stale),
        "missing.max_age": duration(model.missing_max_age_us),
    }
    facts |= _on_events_facts(model.on_events) if model.on_events else {}
    facts |= _gate_facts(model.gates) if model.gates else {}
    return facts | (_canary_facts(model.canary) if model.canary else {})


def _on_events_facts(on_events: OnEvents) -> Facts:
    facts = {
        "to.topic": plain(on_events.topic or None),
        "to.url": plain(on_events.url or None),
        "to.path": plain(on_events.path or None),
        "where": written(on_events.where),
        "max_age": duration(on_events.max_age_us),
    }
    return {f"on_events.{field}": fact for field, fact in facts.items()}


def _gate_facts(gates: Gates) -> dict[str, Fact]:
    facts = {f"min_{name}": plain(bound) for name, bound in gates.least.items()}
    facts |= {f"max_{name}": plain(bound) for name, bound in gates.most.items()}
    facts |= {f"min_{name}_gain_over_champion": plain(bound) for name, bound in gates.least_gain.items()}
    facts |= {
        "max_model_size_mb": plain(gates.max_model_size_mb),
        "max_latency_p99_ms": plain(gates.max_latency_p99_ms),
        "slices": names(gates.slices),
    }
    if gates.robustness is not None:
        keys = ("noise", "missing", "unseen", "max_mean_shift", "max_auc_drop")
        facts |= {f"robustness.{key}": plain(getattr(gates.robustness, key)) for key in keys}
    return {f"gates.{field}": fact for field, fact in facts.items()}


def _canary_facts(canary: Canary) -> dict[str, Fact]:
    success = canary.success
    facts = {
        "percent": plain(canary.percent),
        "for": duration(canary.for_us),
        "min_requests": plain(canary.min_requests),
        "success.latency_p99_ms": plain(success.latency_p99_ms),
        "success.error_rate_percent": plain(success.error_rate_percent),
        "success.freshness": duration(success.freshness_us),
        "success.score_psi": plain(success.score_psi),
    }
    return {f"canary.{field}": fact for field, fact in facts.items()}
