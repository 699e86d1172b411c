"""Two model versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from featurectl.cli.render.table import render_table
from featurectl.core.commits import parse_commit
from featurectl.core.units import format_bytes, format_count, format_instant
from featurectl.identity.facts.models import input_fact, model_facts
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, ModelInput
from featurectl.registry.state import BoundFeature, GateResult, ModelVersion

_NONE: Final = "-"
_SPINE: Final = "spine."


class _Said(NamedTuple):
    """What a version says of itself: for JSON, for people, and what decides whether two say the same."""

    value: object
    text: str
    meaning: object


Facts = Mapping[str, _Said]
Parts = Mapping[str, tuple[Facts, Facts]]


def render_diff(a: ModelVersion, b: ModelVersion) -> str:
    """Return the parts as tables; `~` marks what differs, `+` and `-` what one of them has alone."""
    lines: list[str] = []
    for part, (left, right) in _parts(a, b).items():
        names = list(dict.fromkeys([*left, *right]))
        if names:
            rows = [[_mark(left, right, name), name, _text(left, name), _text(right, name)] for name in names]
            lines += [*render_table((" ", part, _label(a), _label(b)), rows), ""]
    return "\n".join(lines[:-1])


def diff_json(a: ModelVersion, b: ModelVersion) -> dict[str, object]:
    """Return the parts ready for JSON, with what differs apart."""
    parts = _parts(a, b)
    differ = {
        part: [name for name in {**left, **right} if _mark(left, right, name) != " "]
        for part, (left, right) in parts.items()
    }
    return {
        "a": {"model": a.model, "version": a.version} | {part: _values(left) for part, (left, _) in parts.items()},
        "b": {"model": b.model, "version": b.version} | {part: _values(right) for part, (_, right) in parts.items()},
        "differ": differ,
    }


def _parts(a: ModelVersion, b: ModelVersion) -> Parts:
    of_a, of_b = _shown(a), _shown(b)
    return {part: (facts, of_b[part]) for part, facts in of_a.items()}


def _shown(version: ModelVersion) -> dict[str, Facts]:
    """Return what a version says of itself, by part and name."""
    model = load_model(version.definition)
    return {
        "about": _about(version),
        "question": _question(model),
        "inputs": _inputs(version, model),
        "tables": {name: _plain(number, f"v{number}") for name, number in sorted(version.table_versions.items())},
        "parameters": _params(version),
        "metrics": {name: _plain(value, f"{value:.6g}") for name, value in sorted(version.metrics.items())},
        "gates": _gates(version.gates),
    }


def _label(version: ModelVersion) -> str:
    return f"{version.model}@{version.version}"


def _mark(left: Facts, right: Facts, name: str) -> str:
    if name in left and name in right:
        return " " if left[name].meaning == right[name].meaning else "~"
    return "-" if name in left else "+"


def _text(facts: Facts, name: str) -> str:
    return facts[name].text if name in facts else _NONE


def _values(facts: Facts) -> dict[str, object]:
    return {name: said.value for name, said in facts.items()}


def _plain(value: object, text: str) -> _Said:
    return _Said(value, text, value)


def _about(version: ModelVersion) -> Facts:
    commit = parse_commit(version.code_commit)
    return {
        "status": _plain(version.status, version.status),
        "trained": _plain(version.created_at.isoformat(), format_instant(version.created_at)),
        "commit": _plain(commit.name or None, commit.shown or _NONE),
        "rows": _plain(version.rows_train, format_count(version.rows_train)),
        "validation_rows": _plain(version.rows_validation, format_count(version.rows_validation)),
        "bytes": _plain(version.artifact_bytes, format_bytes(version.artifact_bytes)),
    }


def _question(model: Model) -> Facts:
    """Return the moments at which the model is asked, and its label."""
    return {
        name.removeprefix(_SPINE): _Said(fact.text, fact.text, fact.value)
        for name, fact in model_facts(model).items()
        if name.startswith(_SPINE) and fact.text != _NONE
    }


def _inputs(version: ModelVersion, model: Model) -> Facts:
    defined = {item.name: item for item in model.inputs}
    return {item.name: _input(item, defined.get(item.name)) for item in version.inputs}


def _input(item: BoundFeature, defined: ModelInput | None) -> _Said:
    value: dict[str, object] = {"type": item.model_dtype}
    text = item.model_dtype
    if item.categories is not None:
        value["categories"] = list(item.categories)
        text += f" of {len(item.categories):,}"
    if item.view:
        value |= {"view": item.view, "view_version": item.view_version, "feature": item.feature}
        text += f" {item.view}@{item.view_version}:{item.feature}"
    if isinstance(defined, FeatureInput):
        value["join"] = dict(defined.join)
        text += "".join(f" {key}={column}" for key, column in defined.join.items() if key != column)
    elif isinstance(defined, DerivedInput):
        value["expr"] = defined.expression.text
        text += f" = {defined.expression.text}"
    if item.default is not None:
        value["default"] = item.default
        text += f" default {item.default}"
    own = None if defined is None else input_fact(defined).value
    return _Said(value, text, [own, item.dtype, {**value, "expr": None}])


def _params(version: ModelVersion) -> Facts:
    own = version.params.get("params")
    flat = {name: value for name, value in version.params.items() if name != "params" and value is not None}
    flat |= own if isinstance(own, Mapping) else {}
    return {name: _plain(value, str(value)) for name, value in flat.items()}


def _gates(gates: Sequence[GateResult]) -> Facts:
    words = {True: "pass", False: "FAIL", None: "not measured"}
    return {
        f"{item.name} {item.asked}": _plain(
            {"passed": item.passed, "measured": item.measured}, f"{words[item.passed]}: {item.measured}"
        )
        for item in gates
    }
