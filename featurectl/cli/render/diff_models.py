"""Two model versions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.cli.render.table import render_table

if TYPE_CHECKING:
    from featurectl.operations.models.diff import VersionDiff, VersionFacts
    from featurectl.registry.state import ModelVersion

_NONE: Final = "-"


def render_diff(diff: VersionDiff) -> str:
    """Return the parts as tables; `~` marks what differs, `+` and `-` what one of them has alone."""
    lines: list[str] = []
    head = (_label(diff.first), _label(diff.second))
    for part, (first, second) in diff.parts.items():
        differ = diff.differ(part)
        rows = [
            [_mark(first, second, name) if name in differ else " ", name, _text(first, name), _text(second, name)]
            for name in dict.fromkeys([*first, *second])
        ]
        if rows:
            lines += [*render_table((" ", part, *head), rows), ""]
    return "\n".join(lines[:-1])


def diff_json(diff: VersionDiff) -> dict[str, object]:
    """Return the parts ready for JSON, with what differs apart."""
    return {
        "a": _identity(diff.first) | {part: _values(first) for part, (first, _) in diff.parts.items()},
        "b": _identity(diff.second) | {part: _values(second) for part, (_, second) in diff.parts.items()},
        "differ": {part: diff.differ(part) for part in diff.parts},
    }


def _identity(version: ModelVersion) -> dict[str, object]:
    return {"model": version.model, "version": version.version}


def _label(version: ModelVersion) -> str:
    return f"{version.model}@{version.version}"


def _mark(first: VersionFacts, second: VersionFacts, name: str) -> str:
    if name in first and name in second:
        return "~"
    return "-" if name in first else "+"


def _text(facts: VersionFacts, name: str) -> str:
    return facts[name].text if name in facts else _NONE


def _values(facts: VersionFacts) -> dict[str, object]:
    return {name: fact.value for name, fact in facts.items()}
