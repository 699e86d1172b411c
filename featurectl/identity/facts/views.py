"""What a view says, field by field, and of each feature by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.identity.facts.base import (
    Fact,
    Facts,
    about_facts,
    check_facts,
    constant,
    duration,
    freshness_facts,
    names,
    plain,
    written,
)
from featurectl.identity.facts.sources import (
    COLUMN,
    clock_columns,
    clock_facts,
    expression_reads,
    read_facts,
    source_facts,
)
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Derived, Feature, FeatureView, Transform
from featurectl.language.syntax.python_code import code_digest

NAME: Final = "name"
ALIASES: Final = "aliases"


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
            for column in sorted(expression_reads(derived.expression)):
                own = {**facts_of(column), **own}
            found[name] = own
        return found.get(name, {})

    for derived in view.derived:
        facts_of(derived.name)
    return found


def view_facts(view: FeatureView) -> Facts:
    """Return everything in a view that can change a value: the facts of all its features."""
    return united_facts(feature_facts(view))


def united_facts(features: Mapping[str, Facts]) -> Facts:
    """Return the data facts of a view, which are those of all its features.

    >>> united_facts({"a": {"ttl": Fact(1, "1us")}, "b": {"hop": Fact(2, "2us")}}).keys()
    dict_keys(['ttl', 'hop'])
    """
    every: dict[str, Fact] = {}
    for facts in features.values():
        every |= facts
    return every


def read_columns(view: FeatureView) -> frozenset[str]:
    """Return the columns of a view's source, as they are there, that decide its rows and its values."""
    return frozenset(name.removeprefix(COLUMN) for name in view_facts(view) if name.startswith(COLUMN))


def view_metadata(view: FeatureView) -> Facts:
    """Return what a view says that can't change a value."""
    facts = about_facts(view.about) | _own_metadata(view)
    return facts | freshness_facts(view.freshness) | check_facts(view.checks)


def _row_facts(view: FeatureView) -> dict[str, Fact]:
    """Return what all features of a view share: which rows there are, whose, when, and at which instants."""
    source = view.source
    columns = {view.join.get(key, key) for key in view.keys} | clock_columns(source) | expression_reads(view.where)
    facts = {f"keys.{key}": plain(dtype) for key, dtype in view.key_types.items()}
    facts |= {f"join.{key}": plain(view.join.get(key, key)) for key in view.keys}
    facts |= {f"source.{field}": fact for field, fact in clock_facts(source).items()}
    facts |= read_facts(source, sorted(columns))
    if source.is_stream:  # which has a log of its own, by its name: its events are no other's
        facts["source.stream"] = plain(source.name)
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
    facts |= {f"source.{field}": fact for field, fact in source_facts(source).items()}
    for other in transform.others:
        facts |= {f"source.{other.name}.{field}": fact for field, fact in source_facts(other).items()}
    return facts


def _input_facts(source: Source, item: NamedExpression) -> tuple[Fact, dict[str, Fact]]:
    """Return the expression of a view's input, and what the columns mean that it reads."""
    return written(item.expression), read_facts(source, sorted(expression_reads(item.expression)))


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


def _own_names(item: Feature | Derived) -> dict[str, Fact]:
    """Return what a feature is called beside the name that its values are stored under."""
    renamed = {NAME: plain(item.renamed_to)} if item.renamed_to else {}
    return renamed | ({ALIASES: names(item.aliases)} if item.aliases else {})


def _own_metadata(view: FeatureView) -> dict[str, Fact]:
    described: list[Feature | Derived] = [*view.features, *view.derived]
    facts = {f"features.{f.name}.description": plain(f.description) for f in described if f.description}
    for item in described:
        facts |= {f"features.{item.name}.{field}": fact for field, fact in _own_names(item).items()}
        own = {} if item.freshness is None else freshness_facts(item.freshness)
        facts |= {f"features.{item.name}.{field}": fact for field, fact in own.items()}
    return facts | {
        "entity": plain(view.entity.name if view.entity else None),
        "source": plain(view.source.name),
        "transform": plain(view.transform.path if view.transform else None),
        "features": Fact([f.name for f in described], ", ".join(f.current_name for f in described) or "-"),
        "online": plain(view.online),
        "refresh": duration(view.refresh_us),
        "retention": duration(view.retention_us),
    }
