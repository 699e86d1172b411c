"""Two model versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from featurectl.cli.render.table import render_table
from featurectl.registry.state import BoundFeature, GateResult, ModelVersion
from featurectl.units import format_bytes, format_count, format_instant

_NONE: Final = "-"
Facts = Mapping[str, str]
Parts = Mapping[str, tuple[Facts, Facts]]


def diff_versions(a: ModelVersion, b: ModelVersion) -> Parts:
    """Return what two versions say of themselves, by part and name, as texts: those of the first, then the second."""
    return {
        "about": (_about(a), _about(b)),
        "inputs": (_inputs(a), _inputs(b)),
        "tables": (_tables(a), _tables(b)),
        "parameters": (_params(a), _params(b)),
        "metrics": (_metrics(a), _metrics(b)),
        "gates": (_gates(a.gates), _gates(b.gates)),
    }


def render_diff(a: ModelVersion, b: ModelVersion) -> str:
    """Return the parts as tables; `~` marks what differs, `+` and `-` what one of them has alone."""
    lines: list[str] = []
    for part, (left, right) in diff_versions(a, b).items():
        names = list(dict.fromkeys([*left, *right]))
        if names:
            rows = [[_mark(left, right, name), name, left.get(name, _NONE), right.get(name, _NONE)] for name in names]
            lines += [*render_table((" ", part, _label(a), _label(b)), rows), ""]
    return "\n".join(lines[:-1])


def diff_json(a: ModelVersion, b: ModelVersion) -> dict[str, object]:
    """Return the parts ready for JSON, with what differs apart."""
    parts = diff_versions(a, b)
    differ = {
        part: [name for name in {**left, **right} if left.get(name) != right.get(name)]
        for part, (left, right) in parts.items()
    }
    return {
        "a": {"model": a.model, "version": a.version} | {part: dict(left) for part, (left, _) in parts.items()},
        "b": {"model": b.model, "version": b.version} | {part: dict(right) for part, (_, right) in parts.items()},
        "differ": differ,
    }


def _label(version: ModelVersion) -> str:
    return f"{version.model}@{version.version}"


def _mark(left: Facts, right: Facts, name: str) -> str:
    if name in left and name in right:
        return " " if left[name] == right[name] else "~"
    return "-" if name in left else "+"


def _about(version: ModelVersion) -> Facts:
    return {
        "status": version.status,
        "trained": format_instant(version.created_at),
        "commit": version.code_commit or _NONE,
        "label": version.label,
        "rows": format_count(version.rows_train),
        "validation rows": format_count(version.rows_validation),
        "size": format_bytes(version.artifact_bytes),
    }


def _inputs(version: ModelVersion) -> Facts:
    return {item.name: _input(item) for item in version.inputs}


def _input(item: BoundFeature) -> str:
    origin = f" {item.view}@{item.view_version}:{item.feature}" if item.view else ""
    default = "" if item.default is None else f" default {item.default}"
    return f"{item.model_dtype}{origin}{default}"


def _tables(version: ModelVersion) -> Facts:
    return {name: f"v{number}" for name, number in sorted(version.table_versions.items())}


def _params(version: ModelVersion) -> Facts:
    own = version.params.get("params")
    flat = {name: value for name, value in version.params.items() if name != "params" and value is not None}
    flat |= own if isinstance(own, Mapping) else {}
    return {name: str(value) for name, value in flat.items()}


def _metrics(version: ModelVersion) -> Facts:
    return {name: f"{value:.6g}" for name, value in sorted(version.metrics.items())}


def _gates(gates: Sequence[GateResult]) -> Facts:
    words = {True: "pass", False: "FAIL", None: "not measured"}
    return {f"{item.name} {item.asked}": f"{words[item.passed]}: {item.measured}" for item in gates}
