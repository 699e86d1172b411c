"""Model versions as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from featurectl.core.commits import parse_commit
from featurectl.core.units import counted, format_bytes, format_count, format_instant, format_iso, plural
from featurectl.identity.facts.models import label_text
from featurectl.language.definitions.gates import ASKED_OF_ALL
from featurectl.language.definitions.json_form import load_model
from featurectl.registry.state import CHAMPION, BoundFeature, GateResult, ModelVersion
from featurectl.render.gates import gates_table
from featurectl.render.page import Page, PageTable
from featurectl.render.table import render_table

if TYPE_CHECKING:
    from featurectl.operations.models.versions import Aliases

_LEFT_OUT: Final = {
    "immature_label": "whose label is not mature yet",
    "label_before_source": "before the first event of the label's source",
    "erased": "whose keys are erased",
    "null_label": "without a label",
    "no_time": "without a time",
    "later_than_now": "later than now",
    "not_sampled": "not in the sample",
    "label_in_validation": "whose label ends after the validation begins",
    "validation_immature_label": "of the validation source whose label is not mature yet",
    "validation_label_before_source": "of the validation source before the first event of the label's source",
    "validation_erased": "of the validation source whose keys are erased",
    "validation_null_label": "of the validation source without a label",
    "validation_no_time": "of the validation source without a time",
    "validation_later_than_now": "of the validation source later than now",
}
_IN_A_LINE: Final = frozenset({"accuracy", "auc", "log_loss", "macro_f1", "mae", "positive_rate", "r2", "rmse"})


def render_versions(versions: Sequence[ModelVersion], aliases: Aliases) -> str:
    """Return a table, a line per version."""
    head = ("model", "version", "alias", "metrics", "rows", "trained")
    rows = [
        [
            v.model,
            str(v.version),
            _standing(v, aliases),
            _metrics(v, _IN_A_LINE),
            format_count(v.rows_train),
            _trained(v),
        ]
        for v in versions
    ]
    return "\n".join(render_table(head, rows))


def version_page(version: ModelVersion, aliases: Aliases) -> Page:
    """Return all that a person asks of one version, inputs and gates last."""
    rows = f"{version.rows_train:,} {plural(version.rows_train, 'row')}"
    facts = [
        ("model", f"{version.model} version {version.version} {_standing(version, aliases)}".rstrip()),
        ("trained", f"{_trained(version)} on {rows}, validated on {version.rows_validation:,}"),
        ("left out", left_out_line(version) or "-"),
        ("label", label_of(version)),
        ("metrics", _metrics(version)),
        ("trainer", str(version.params.get("estimator") or version.params.get("run"))),
        ("params", ", ".join(f"{k}={v}" for k, v in _params(version).items())),
        ("seed", str(version.seed)),
        ("tables", ", ".join(f"{n} at table version {of}" for n, of in sorted(version.table_versions.items())) or "-"),
        ("artifact", f"{version.artifact} ({format_bytes(version.artifact_bytes)})"),
        ("sha256", version.artifact_sha256),
        ("onnx", _onnx(version)),
        ("onnx sha256", version.onnx_sha256 or "-"),
        ("card", version.card or "-"),
        ("golden rows", version.golden or "-"),
        ("profile", _profile(version)),
        ("copy of", _copied_from(version)),
        ("run", version.run_id or "-"),
        ("commit", parse_commit(version.code_commit).shown or "-"),
        ("libraries", ", ".join(f"{name} {number}" for name, number in version.libraries.items())),
    ]
    inputs = [[item.name, item.model_dtype, _origin(item), _share(version, item.name)] for item in version.inputs]
    return [
        [PageTable(rows=facts)],
        [PageTable(head=("input", "type", "feature", "importance"), rows=inputs)],
        [gates_table(version.gates)] if version.gates else [],
    ]


def version_json(version: ModelVersion, aliases: Aliases) -> dict[str, object]:
    """Return a version ready for JSON, without its whole definition."""
    described = asdict(version)
    described.pop("definition")
    described["created_at"] = format_iso(version.created_at)
    commit = parse_commit(version.code_commit)
    described |= {"code_commit": commit.name, "code_dirty_files": commit.dirty_files}
    described["aliases"] = names_of(version, aliases).split()
    described["inputs"] = [
        {("input_fingerprint" if key == "fingerprint" else key): value for key, value in asdict(item).items()}
        for item in version.inputs  # `manifest` has those of features
    ]
    return described


def label_of(version: ModelVersion) -> str:
    """Return what the label of a version is, in a line."""
    return label_text(load_model(version.definition).spine.label)


def left_out_line(version: ModelVersion) -> str:
    """Return how many rows it neither learned from nor was judged on, and why; "": none that anybody counted.

    The reasons are those of `ModelVersion.left_out`.
    """
    known = [(reason, count) for reason in _LEFT_OUT if (count := version.left_out.get(reason, 0))]
    return ", ".join(f"{counted(count, 'row')} {_LEFT_OUT[reason]}" for reason, count in known)


def render_standing(version: ModelVersion, aliases: Aliases) -> str:
    """Return whether a version that was registered just now is the champion, and what makes it that if it is not."""
    champion = aliases.get((version.model, CHAMPION))
    if champion == version.version:
        unjudged = render_unjudged(version, version.gates)[:1]  # its metrics stand above
        return "\n".join([f"{version.model} version {version.version} is the champion.", *unjudged])
    now = "There is no champion" if champion is None else f"The champion is version {champion} still"
    return f"{now}; featurectl models promote {version.model}@{version.version} changes that."


def render_unjudged(version: ModelVersion, gates: Sequence[GateResult]) -> list[str]:
    """Return the lines on a champion that nothing has judged, its metrics last; none where its model asks for gates."""
    if any(item.name not in ASKED_OF_ALL for item in gates):
        return []
    what, own = ("Nothing else", " of its own") if gates else ("Nothing", "")
    return [
        f"{what} judged it: model {version.model} has no gates{own}.",
        _metrics(version, _IN_A_LINE) or "no metrics",
    ]


def _standing(version: ModelVersion, aliases: Aliases) -> str:
    """Return the aliases of a version, or that it was rejected or is retired."""
    return names_of(version, aliases) or ("" if version.status == "registered" else version.status)


def names_of(version: ModelVersion, aliases: Aliases) -> str:
    """Return the aliases that point at a version, separated by spaces."""
    names = [alias for (model, alias), n in aliases.items() if model == version.model and n == version.version]
    return " ".join(sorted(names))


def _metrics(version: ModelVersion, only: Collection[str] | None = None) -> str:
    chosen = [item for item in sorted(version.metrics.items()) if only is None or item[0] in only]
    return "  ".join(f"{name} {value:.4f}" for name, value in chosen)


def _trained(version: ModelVersion) -> str:
    return format_instant(version.created_at)


def _params(version: ModelVersion) -> Mapping[str, object]:
    params = version.params.get("params")
    return params if isinstance(params, Mapping) else {}


def _onnx(version: ModelVersion) -> str:
    """Return where the model for serving is, or why there is none."""
    if version.onnx:
        return f"{version.onnx} ({format_bytes(version.onnx_bytes)})"
    return f"none: {version.onnx_missing}" if version.onnx_missing else "-"


def _profile(version: ModelVersion) -> str:
    """Return where the profile is that `monitor drift` compares with, or why there is none."""
    return version.profile or ("none: it was imported" if "imported" in version.params else "none")


def _copied_from(version: ModelVersion) -> str:
    origin = version.origin
    return f"version {origin['version']} of environment {origin['environment']}" if origin else "-"


def _origin(item: BoundFeature) -> str:
    return f"{item.view}@{item.view_version}:{item.feature}" if item.view else "-"


def _share(version: ModelVersion, name: str) -> str:
    share = version.importance.get(name)
    return "-" if share is None else f"{share:.1%}"
