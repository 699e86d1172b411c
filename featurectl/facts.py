"""What an object says, field by field.

A *fact* is one field in two forms: the canonical one that is hashed and compared, and the text that people read.
Fingerprints and the reasons of a plan come from the same facts, so a fingerprint can't move without a reason.

Data facts are everything that can change a value. Metadata facts are the rest: owners, descriptions, where the
data lies, how often it is refreshed. Formatting, the order of keys and defaults written out are in neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from featurectl.dtypes import FLOAT64, UNKNOWN
from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.expressions.tree import Expression
from featurectl.spec.code import code_digest
from featurectl.spec.definition import (
    About,
    Check,
    CsvOptions,
    Derived,
    Entity,
    Feature,
    FeatureInput,
    FeatureView,
    Freshness,
    Label,
    Model,
    ModelInput,
    NamedExpression,
    RequestInput,
    Source,
    Trainer,
    Transform,
)
from featurectl.spec.environment import has_password, shown_location
from featurectl.units import format_duration

Registrable = Entity | Source | FeatureView | Model
Constant = bool | int | float | str | None

_SQL_SPACE = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?:\s|--[^\n]*|/\*.*?\*/)+""", re.DOTALL)


class Fact(NamedTuple):
    """One field: `value` is JSON-ready and decides equality, `text` is how people write it ("-": not set)."""

    value: object
    text: str


Facts = Mapping[str, Fact]  # field -> fact; of one feature: "<its list in the file>.<feature>.<field>"


def feature_facts(view: FeatureView) -> dict[str, Facts]:
    """Return the data facts of each stored and derived feature; a derived one has those of what it reads too."""
    shared = _row_facts(view)
    inputs = {item.name: _input_facts(view.source, item) for item in view.inputs}
    found: dict[str, Facts] = {
        f.name: shared | _stored_facts(view, f, inputs.get(f.column or "")) for f in view.features
    }
    waiting = {d.name: d for d in view.derived}

    def facts_of(name: str) -> Facts:
        if name not in found and name in waiting:
            derived = waiting.pop(name)
            own = _derived_facts(derived)
            for column in sorted(_columns(derived.expression)):
                own = {**facts_of(column), **own}
            found[name] = own
        return found.get(name, {})

    for derived in view.derived:
        facts_of(derived.name)
    return found


def data_facts(obj: Registrable) -> Facts:
    """Return everything in an object that can change a value; of a view, the facts of all its features."""
    match obj:
        case Entity():
            return {f"keys.{name}": _plain(dtype) for name, dtype in obj.keys.items()}
        case Source():
            return _source_facts(obj)
        case FeatureView():
            return united_facts(feature_facts(obj))
        case Model():
            return _model_facts(obj)


def united_facts(features: Mapping[str, Facts]) -> Facts:
    """Return the data facts of a view, which are those of all its features.

    >>> united_facts({"a": {"ttl": Fact(1, "1us")}, "b": {"hop": Fact(2, "2us")}}).keys()
    dict_keys(['ttl', 'hop'])
    """
    every: dict[str, Fact] = {}
    for facts in features.values():
        every |= facts
    return every


def metadata_facts(obj: Registrable) -> Facts:
    """Return everything in an object that can't change a value."""
    facts = _about_facts(obj.about)
    match obj:
        case Entity():
            return facts
        case Source():
            return facts | _location_facts(obj) | _freshness_facts(obj.freshness) | _check_facts(obj.checks)
        case FeatureView():
            return facts | _view_metadata(obj) | _freshness_facts(obj.freshness) | _check_facts(obj.checks)
        case Model():
            return facts | {
                "allow_pickle": _plain(obj.allow_pickle),
                "missing.no_row": _plain(obj.missing_no_row),
                "missing.stale": _plain(obj.missing_stale),
                "missing.max_age": _duration(obj.missing_max_age_us),
            }


def _row_facts(view: FeatureView) -> dict[str, Fact]:
    """Return what all features of a view share: which rows there are, whose, when, and at which instants."""
    source = view.source
    columns = {view.join.get(key, key) for key in view.keys} | _clock_columns(source) | _columns(view.where)
    facts = {f"keys.{key}": _plain(dtype) for key, dtype in view.key_types.items()}
    facts |= {f"join.{key}": _plain(view.join.get(key, key)) for key in view.keys}
    facts |= {f"source.{field}": fact for field, fact in _clock_facts(source).items()}
    facts |= _reads(source, sorted(columns))
    facts["where"] = _expression(view.where)
    if view.transform is not None:
        facts |= _transform_facts(view.transform, source)
    if view.kind == "event":
        return facts | {"closed": _plain(view.closed), "hop": _duration(view.hop_us)}
    return facts | {"ttl": _duration(view.ttl_us)}


def _transform_facts(transform: Transform, source: Source) -> dict[str, Fact]:
    """Return what a Python function makes rows of: all of its sources, for nobody knows which columns it reads."""
    code = code_digest(transform.text)
    facts = {
        "transform.function": _plain(transform.function),
        "transform.code": Fact(code, f"{transform.path} {code[:12]}"),
        "lookback": _duration(transform.lookback_us),
    }
    facts |= {f"source.{field}": fact for field, fact in _source_facts(source).items()}
    for other in transform.others:
        facts |= {f"source.{other.name}.{field}": fact for field, fact in _source_facts(other).items()}
    return facts


def _input_facts(source: Source, item: NamedExpression) -> tuple[Fact, dict[str, Fact]]:
    """Return the expression of a view's input, and what the columns mean that it reads."""
    return _expression(item.expression), _reads(source, sorted(_columns(item.expression)))


def _stored_facts(view: FeatureView, feature: Feature, column: tuple[Fact, dict[str, Fact]] | None) -> dict[str, Fact]:
    expression, read = column or (_expression(None), {})
    own = {
        "op": _plain(feature.op),
        "column": expression,
        "type": _plain(feature.dtype),
        "window": _plain("lifetime") if feature.window_us is None else _duration(feature.window_us),
        "offset": _duration(feature.offset_us or None),
        "n": _plain(feature.n),
        "q": _plain(feature.q),
        "default": _constant(feature.default, feature.dtype),
        "fill": _plain("last_non_null" if feature.fill_last else None),
    }
    if feature.op == "latest":
        del own["window"]
    section = "aggregates" if view.kind == "event" else "features"
    return read | {f"{section}.{feature.name}.{field}": fact for field, fact in own.items()}


def _derived_facts(derived: Derived) -> dict[str, Fact]:
    return {
        f"derived.{derived.name}.expr": _expression(derived.expression),
        f"derived.{derived.name}.type": _plain(derived.dtype),
        f"derived.{derived.name}.default": _constant(derived.default, derived.dtype),
    }


def _source_facts(source: Source) -> dict[str, Fact]:
    """Return a source's data facts. Columns that only the data declares are left to the views that read them."""
    columns = source.columns if source.columns_declared and source.columns else {}
    facts = {f"columns.{name}": _plain(dtype) for name, dtype in columns.items()}
    facts |= {f"select.{s.name}": _expression(s.expression) for s in source.select}
    return facts | _clock_facts(source)


def _clock_facts(source: Source) -> dict[str, Fact]:
    """Return which rows of a source count, at which instants, and how their values are read."""
    facts = {
        "event_time": _plain(source.event_time),
        "available_at": _plain(source.available_at),
        "delay": _duration(source.delay_us or None),
        "timezone": _plain(source.timezone),
        "nan": _plain(source.nan),
        "tiebreak": _names(source.tiebreak),
        "dedup_key": _names(sorted(source.dedup_key)),
    }
    if source.format == "csv":
        facts["csv.null_values"] = _null_values(source.csv)
        facts["csv.timestamp_format"] = _plain(source.csv.timestamp_format)
    if source.sql:
        facts["sql.query"] = Fact(plain_query(source.sql.query), plain_query(source.sql.query))
    return facts


def _null_values(csv: CsvOptions) -> Fact:
    """Return the texts that a CSV file has for null; not set where nothing but an empty one is."""
    texts = sorted(set(csv.null_values))
    if texts == sorted(CsvOptions().null_values):
        return Fact(None, "-")
    return Fact(texts, ", ".join(json.dumps(text, ensure_ascii=False) for text in texts) or "none")


def _clock_columns(source: Source) -> set[str]:
    named = {source.event_time, source.available_at, *source.tiebreak, *source.dedup_key}
    return {name for name in named if name is not None}


def _reads(source: Source, columns: Iterable[str]) -> dict[str, Fact]:
    """Return what the columns of a source mean: its `select` where it has one, else their types."""
    select = {s.name: s for s in source.select}
    types = source.columns or {}
    facts: dict[str, Fact] = {}
    for name in columns:
        if name not in select:
            facts[f"source.columns.{name}"] = _plain(types.get(name, UNKNOWN))
            continue
        facts[f"source.select.{name}"] = _expression(select[name].expression)
        below = sorted(_columns(select[name].expression))
        facts |= {f"source.columns.{raw}": _plain(types.get(raw, UNKNOWN)) for raw in below}
    return facts


def _location_facts(source: Source) -> dict[str, Fact]:
    facts = {
        "format": _plain(source.format),
        "path": _plain(source.path or None),
        "sql.url": _address(source.sql.url if source.sql else None),
        "lateness": _duration(source.lateness_us),
    }
    return facts | ({"csv.separator": _plain(source.csv.separator)} if source.format == "csv" else {})


def _view_metadata(view: FeatureView) -> dict[str, Fact]:
    described: list[Feature | Derived] = [*view.features, *view.derived]
    facts = {f"features.{f.name}.description": _plain(f.description) for f in described if f.description}
    return facts | {
        "entity": _plain(view.entity.name if view.entity else None),
        "source": _plain(view.source.name),
        "transform": _plain(view.transform.path if view.transform else None),
        "features": _names([f.name for f in described]),
        "online": _plain(view.online),
        "refresh": _duration(view.refresh_us),
        "retention": _duration(view.retention_us),
    }


def _about_facts(about: About) -> dict[str, Fact]:
    return {
        "description": _plain(about.description or None),
        "owner": _plain(about.owner or None),
        "tags": _names(sorted(about.tags)),
    }


def _check_facts(checks: Sequence[Check]) -> dict[str, Fact]:
    """Return the checks by their labels, which say all of them."""
    return {"checks": _names(sorted(c.label + " (warn)" * (c.severity == "warn") for c in checks))} if checks else {}


def _freshness_facts(freshness: Freshness | None) -> dict[str, Fact]:
    given = freshness or Freshness()
    return {
        "freshness.warn_after": _duration(given.warn_after_us),
        "freshness.error_after": _duration(given.error_after_us),
    }


def _model_facts(model: Model) -> dict[str, Fact]:
    spine = model.spine
    facts = {
        "spine.source": _plain(spine.source.name),
        "spine.time": _plain(spine.time),
        "spine.where": _expression(spine.where),
        "features": _names(_in_any_key_order(model.inputs)),
        "output.name": _plain(model.output_name),
        "output.type": _plain(model.output_dtype),
    }
    facts |= _label_facts(spine.label) if spine.label else {}
    facts |= {f"features.{i.name}": _input(i) for i in model.inputs}
    return facts | (_trainer_facts(model.trainer) if model.trainer else {})


def _in_any_key_order(inputs: Iterable[ModelInput]) -> list[str]:
    """Return the names of inputs in their order; request columns are keys of a mapping, and theirs has no meaning."""
    names: list[str] = []
    for is_request, group in groupby(inputs, lambda item: isinstance(item, RequestInput)):
        found = [item.name for item in group]
        names += sorted(found) if is_request else found
    return names


def _label_facts(label: Label) -> dict[str, Fact]:
    facts = {
        "name": _plain(label.name),
        "expr": _expression(label.expression),
        "entity": _plain(label.entity.name if label.entity else None),
        "source": _plain(label.source.name if label.source else None),
        "op": _plain(label.op),
        "column": _plain(label.column),
        "where": _expression(label.where),
        "horizon": _duration(label.horizon_us),
    }
    return {f"spine.label.{field}": fact for field, fact in facts.items()}


def _input(item: ModelInput) -> Fact:
    """Return one column of a model's matrix: where it comes from and its type."""
    if isinstance(item, FeatureInput):
        join = ", ".join(f"{key}: {column}" for key, column in sorted(item.join.items()))
        text = f"{item.view}:{item.feature} ({join}) as {item.model_dtype or 'its own type'}"
        default = _constant(item.default, item.dtype).value
        kept = sorted(item.join.items()), item.dtype, item.model_dtype, default, item.categories
        return Fact(["feature", item.view, item.feature, *kept], text)
    if isinstance(item, RequestInput):
        return Fact(["request", item.dtype, item.model_dtype], f"request {item.model_dtype}")
    value = [_expression(item.expression).value, item.dtype, _constant(item.default, item.dtype).value]
    return Fact(["derived", *value], item.expression.text)


def _trainer_facts(trainer: Trainer) -> dict[str, Fact]:
    facts = {f"params.{name}": Fact(value, json.dumps(value)) for name, value in trainer.params.items()}
    facts |= {
        "estimator": _plain(trainer.estimator),
        "run": _plain(trainer.run),
        "validation.fraction": _plain(trainer.split_fraction),
        "validation.source": _plain(trainer.validation_source),
        "sample": _plain(trainer.sample),
        "seed": _plain(trainer.seed),
    }
    return {f"trainer.{field}": fact for field, fact in facts.items()}


def plain_query(query: str) -> str:
    """Return a SQL query without comments, its white space outside quotes made single.

    >>> plain_query("select  a, 'x  y' /* the name */ from t")
    "select a, 'x  y' from t"
    """
    return _SQL_SPACE.sub(lambda found: found[1] or " ", query).strip()


def _columns(expression: Expression | None) -> frozenset[str]:
    if expression is None:
        return frozenset()
    return expression.tree.columns() if expression.tree else expression_columns(expression.text)


def _expression(expression: Expression | None) -> Fact:
    if expression is None:
        return Fact(None, "-")
    tree = expression.tree
    return Fact(tree.canonical() if tree else ["untyped", untyped_canonical(expression.text)], expression.text)


def _constant(value: Constant, dtype: str | None) -> Fact:
    if dtype == FLOAT64 and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return Fact(value, "-" if value is None else json.dumps(value, ensure_ascii=False))


def _plain(value: Constant) -> Fact:
    if value is None:
        return Fact(None, "-")
    return Fact(value, str(value).lower() if isinstance(value, bool) else f"{value}")


def _address(url: str | None) -> Fact:
    """Return the address of a server, its text without a password that stands in it."""
    return Fact(url, shown_location(url)) if url and has_password(url) else _plain(url)


def _duration(length_us: int | None) -> Fact:
    return Fact(length_us, "-" if length_us is None else format_duration(length_us))


def _names(names: Iterable[str]) -> Fact:
    kept = list(names)
    return Fact(kept, ", ".join(kept) or "-")
