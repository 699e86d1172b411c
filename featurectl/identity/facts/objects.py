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

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.variables import has_password, shown_location
from featurectl.expressions.check import expression_columns
from featurectl.expressions.tree import Expression
from featurectl.identity.facts.alerts import alert_facts, notifier_facts
from featurectl.identity.facts.base import Fact, Facts, constant, duration, names, plain, written
from featurectl.identity.facts.models import model_facts, model_metadata
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.objects import (
    About,
    Check,
    CsvOptions,
    Derived,
    Entity,
    Feature,
    FeatureView,
    Freshness,
    Model,
    NamedExpression,
    Source,
    Transform,
)
from featurectl.language.syntax.python_code import code_digest

Registrable = Entity | Source | FeatureView | Model | Alert | Notifier

_COLUMN = "source.columns."
_SQL_SPACE = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?:\s|--[^\n]*|/\*(?:.*?\*/|.*))+""", re.DOTALL)


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
            return {f"keys.{name}": plain(dtype) for name, dtype in obj.keys.items()}
        case Source():
            return _source_facts(obj)
        case FeatureView():
            return united_facts(feature_facts(obj))
        case Model():
            return model_facts(obj)
        case Alert() | Notifier():
            return {}


def read_columns(view: FeatureView) -> frozenset[str]:
    """Return the columns of a view's source, as they are there, that decide its rows and its values."""
    return frozenset(name.removeprefix(_COLUMN) for name in data_facts(view) if name.startswith(_COLUMN))


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
    match obj:
        case Alert():
            return alert_facts(obj)
        case Notifier():
            return notifier_facts(obj)
        case _:
            return _described_facts(obj)


def _described_facts(obj: Entity | Source | FeatureView | Model) -> Facts:
    facts = _about_facts(obj.about)
    match obj:
        case Entity():
            return facts
        case Source():
            return facts | _location_facts(obj) | _freshness_facts(obj.freshness) | _check_facts(obj.checks)
        case FeatureView():
            return facts | _view_metadata(obj) | _freshness_facts(obj.freshness) | _check_facts(obj.checks)
        case Model():
            return {**facts, **model_metadata(obj)}


def _row_facts(view: FeatureView) -> dict[str, Fact]:
    """Return what all features of a view share: which rows there are, whose, when, and at which instants."""
    source = view.source
    columns = {view.join.get(key, key) for key in view.keys} | _clock_columns(source) | _columns(view.where)
    facts = {f"keys.{key}": plain(dtype) for key, dtype in view.key_types.items()}
    facts |= {f"join.{key}": plain(view.join.get(key, key)) for key in view.keys}
    facts |= {f"source.{field}": fact for field, fact in _clock_facts(source).items()}
    facts |= _reads(source, sorted(columns))
    facts["where"] = written(view.where)
    if view.transform is not None:
        facts |= _transform_facts(view.transform, source)
    if view.kind == "event":
        return facts | {"closed": plain(view.closed), "hop": duration(view.hop_us)}
    return facts | {"ttl": duration(view.ttl_us)}


def _transform_facts(transform: Transform, source: Source) -> dict[str, Fact]:
    """Return what a Python function makes rows of: all of its sources, for nobody knows which columns it reads."""
    code = code_digest(transform.text)
    facts = {
        "transform.function": plain(transform.function),
        "transform.code": Fact(code, f"{transform.path} {code[:12]}"),
        "lookback": duration(transform.lookback_us),
    }
    facts |= {f"source.{field}": fact for field, fact in _source_facts(source).items()}
    for other in transform.others:
        facts |= {f"source.{other.name}.{field}": fact for field, fact in _source_facts(other).items()}
    return facts


def _input_facts(source: Source, item: NamedExpression) -> tuple[Fact, dict[str, Fact]]:
    """Return the expression of a view's input, and what the columns mean that it reads."""
    return written(item.expression), _reads(source, sorted(_columns(item.expression)))


def _stored_facts(view: FeatureView, feature: Feature, column: tuple[Fact, dict[str, Fact]] | None) -> dict[str, Fact]:
    expression, read = column or (written(None), {})
    own = {
        "op": plain(feature.op),
        "column": expression,
        "type": plain(feature.dtype),
        "window": plain("lifetime") if feature.window_us is None else duration(feature.window_us),
        "offset": duration(feature.offset_us or None),
        "n": plain(feature.n),
        "q": plain(feature.q),
        "default": constant(feature.default, feature.dtype),
        "fill": plain("last_non_null" if feature.fill_last else None),
    }
    if feature.op == "latest":
        del own["window"]
    section = "aggregates" if view.kind == "event" else "features"
    return read | {f"{section}.{feature.name}.{field}": fact for field, fact in own.items()}


def _derived_facts(derived: Derived) -> dict[str, Fact]:
    return {
        f"derived.{derived.name}.expr": written(derived.expression),
        f"derived.{derived.name}.type": plain(derived.dtype),
        f"derived.{derived.name}.default": constant(derived.default, derived.dtype),
    }


def _source_facts(source: Source) -> dict[str, Fact]:
    """Return a source's data facts. Columns that only the data declares are left to the views that read them."""
    columns = source.columns if source.columns_declared and source.columns else {}
    facts = {f"columns.{name}": plain(dtype) for name, dtype in columns.items()}
    facts |= {f"select.{s.name}": written(s.expression) for s in source.select}
    return facts | _clock_facts(source)


def _clock_facts(source: Source) -> dict[str, Fact]:
    """Return which rows of a source count, at which instants, and how their values are read."""
    facts = {
        "event_time": plain(source.event_time),
        "available_at": plain(source.available_at),
        "delay": duration(source.delay_us or None),
        "timezone": plain(source.timezone),
        "nan": plain(source.nan),
        "tiebreak": names(source.tiebreak),
        "dedup_key": names(sorted(source.dedup_key)),
    }
    if source.format == "csv":
        facts["csv.null_values"] = _null_values(source.csv)
        facts["csv.timestamp_format"] = plain(source.csv.timestamp_format)
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
            facts[f"{_COLUMN}{name}"] = plain(types.get(name, UNKNOWN))
            continue
        facts[f"source.select.{name}"] = written(select[name].expression)
        below = sorted(_columns(select[name].expression))
        facts |= {f"{_COLUMN}{raw}": plain(types.get(raw, UNKNOWN)) for raw in below}
    return facts


def _location_facts(source: Source) -> dict[str, Fact]:
    facts = {
        "format": plain(source.format),
        "path": plain(source.path or None),
        "sql.url": _address(source.sql.url if source.sql else None),
        "lateness": duration(source.lateness_us),
    }
    return facts | ({"csv.separator": plain(source.csv.separator)} if source.format == "csv" else {})


def _view_metadata(view: FeatureView) -> dict[str, Fact]:
    described: list[Feature | Derived] = [*view.features, *view.derived]
    facts = {f"features.{f.name}.description": plain(f.description) for f in described if f.description}
    return facts | {
        "entity": plain(view.entity.name if view.entity else None),
        "source": plain(view.source.name),
        "transform": plain(view.transform.path if view.transform else None),
        "features": names([f.name for f in described]),
        "online": plain(view.online),
        "refresh": duration(view.refresh_us),
        "retention": duration(view.retention_us),
    }


def _about_facts(about: About) -> dict[str, Fact]:
    return {
        "description": plain(about.description or None),
        "owner": plain(about.owner or None),
        "tags": names(sorted(about.tags)),
    }


def _check_facts(checks: Sequence[Check]) -> dict[str, Fact]:
    """Return the checks by their labels, which say all of them."""
    return {"checks": names(sorted(c.label + " (warn)" * (c.severity == "warn") for c in checks))} if checks else {}


def _freshness_facts(freshness: Freshness | None) -> dict[str, Fact]:
    given = freshness or Freshness()
    return {
        "freshness.warn_after": duration(given.warn_after_us),
        "freshness.error_after": duration(given.error_after_us),
    }


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


def _address(url: str | None) -> Fact:
    """Return the address of a server, its text without a password that stands in it."""
    return Fact(url, shown_location(url)) if url and has_password(url) else plain(url)
