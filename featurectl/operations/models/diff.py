"""Two model versions side by side: what each says of itself, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from featurectl.core.commits import parse_commit
from featurectl.core.errors import UsageError
from featurectl.core.units import format_bytes, format_count, format_instant, format_iso
from featurectl.identity.facts.models import SELECT, input_fact, model_facts
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, ModelInput
from featurectl.registry.applied import choose_version, split_name
from featurectl.registry.state import BoundFeature, GateResult, ModelVersion

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

_NONE: Final = "-"
_SPINE: Final = "spine."
_VALIDATION: Final = "trainer."  # before `validation.select`: what the rows are made of that judge it


class VersionFact(NamedTuple):
    """What a version says of itself: for JSON, for people, and what decides whether two say the same."""

    value: object
    text: str
    meaning: object


VersionFacts = Mapping[str, VersionFact]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """Two versions, and by part (inputs, metrics ...) the facts of each, by name."""

    first: ModelVersion
    second: ModelVersion
    parts: Mapping[str, tuple[VersionFacts, VersionFacts]]

    def differ(self, part: str) -> list[str]:
        """Return the names of a part that only one version has, or of which they say something else."""
        first, second = self.parts[part]
        names = {**first, **second}
        return [name for name in names if not _says_same(first.get(name), second.get(name))]

    def moved(self, part: str) -> list[str]:
        """Return the names of a part that both say otherwise and that mean the same: a feature of another version."""
        first, second = self.parts[part]
        return [name for name in first if name in second and _only_text_differs(first[name], second[name])]


def diff_versions(workspace: Workspace, first: str, second: str) -> VersionDiff:
    """Return two versions side by side, by names as `find_version` takes them and one look at the registry.

    Raises:
        UsageError: there is no such model, version or alias.
        StoreError: the registry can't be read.
    """
    if second.isdecimal():
        model = first.partition("@")[0]
        raise UsageError(f"{second!r} is no model's name", hint=f"featurectl models diff {first} {model}@{second}")
    state = workspace.applied_state()
    return compare_versions(choose_version(state, *split_name(first)), choose_version(state, *split_name(second)))


def compare_versions(first: ModelVersion, second: ModelVersion) -> VersionDiff:
    """Return two versions side by side."""
    others = _facts(second)
    parts = {part: (facts, others[part]) for part, facts in _facts(first).items()}
    return VersionDiff(first=first, second=second, parts=parts)


def _says_same(first: VersionFact | None, second: VersionFact | None) -> bool:
    return first is not None and second is not None and first.meaning == second.meaning


def _only_text_differs(first: VersionFact, second: VersionFact) -> bool:
    return first.meaning == second.meaning and first.value != second.value


def _facts(version: ModelVersion) -> dict[str, VersionFacts]:
    """Return what a version says of itself, by part and name."""
    model = load_model(version.definition)
    return {
        "about": _about(version),
        "question": _question(model),
        "inputs": _inputs(version, model),
        "tables": {
            name: _plain(number, f"table version {number}") for name, number in sorted(version.table_versions.items())
        },
        "parameters": _params(version),
        "metrics": {name: _plain(value, f"{value:.6g}") for name, value in sorted(version.metrics.items())},
        "gates": _gates(version.gates),
    }


def _plain(value: object, text: str) -> VersionFact:
    return VersionFact(value, text, value)


def _about(version: ModelVersion) -> VersionFacts:
    commit = parse_commit(version.code_commit)
    return {
        "status": _plain(version.status, version.status),
        "trained": _plain(format_iso(version.created_at), format_instant(version.created_at)),
        "commit": _plain(commit.name or None, commit.shown or _NONE),
        "rows": _plain(version.rows_train, format_count(version.rows_train)),
        "validation_rows": _plain(version.rows_validation, format_count(version.rows_validation)),
        "bytes": _plain(version.artifact_bytes, format_bytes(version.artifact_bytes)),
    }


def _question(model: Model) -> VersionFacts:
    """Return the moments at which the model is asked, its label, and what columns of their rows are made of."""
    return {
        name.removeprefix(_SPINE).removeprefix(_VALIDATION): VersionFact(fact.text, fact.text, fact.value)
        for name, fact in model_facts(model).items()
        if (name.startswith(_SPINE) or SELECT in name) and fact.text != _NONE
    }


def _inputs(version: ModelVersion, model: Model) -> VersionFacts:
    defined = {item.name: item for item in model.inputs}
    return {item.name: _input(item, defined.get(item.name)) for item in version.inputs}


def _input(item: BoundFeature, defined: ModelInput | None) -> VersionFact:
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
    return VersionFact(value, text, _meaning(item, defined, value))


def _meaning(item: BoundFeature, defined: ModelInput | None, value: Mapping[str, object]) -> object:
    """Return what decides whether two inputs mean the same.

    It is their fingerprint, with what was found in training: two versions of a view may give the same feature, one
    version never gives two. Inputs of before there were fingerprints have what their definition says.
    """
    if item.fingerprint:
        return [item.fingerprint, item.dtype, item.model_dtype, item.categories]
    own = None if defined is None else input_fact(defined).value
    return [own, item.dtype, {**value, "expr": None}]


def _params(version: ModelVersion) -> VersionFacts:
    own = version.params.get("params")
    flat = {name: value for name, value in version.params.items() if name != "params" and value is not None}
    flat |= own if isinstance(own, Mapping) else {}
    return {name: _plain(value, str(value)) for name, value in flat.items()}


def _gates(gates: Sequence[GateResult]) -> VersionFacts:
    words = {True: "pass", False: "FAIL", None: "not measured"}
    return {
        f"{item.name} {item.asked}": _plain(
            {"passed": item.passed, "measured": item.measured}, f"{words[item.passed]}: {item.measured}"
        )
        for item in gates
    }
