"""A model card: what a model version is for, what it was made of and how good it is, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.core.commits import parse_commit
from featurectl.core.markdown import code, paragraph, prose
from featurectl.core.units import counted, format_bytes, format_instant
from featurectl.identity.facts.models import VALIDATION_SELECT, label_text, model_facts
from featurectl.language.definitions.model import Model
from featurectl.models.fit import FittedModel
from featurectl.models.request_matrix import CATEGORY
from featurectl.registry.state import BoundFeature, ModelVersion

CARD: Final = "md"
CHART: Final = "svg"
_MOST_CATEGORIES: Final = 12
_VERDICTS: Final = {True: "passed", False: "failed", None: "not measured"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardParts:
    """What a card is drawn from: the version, still without a number, its definition, the fit, and the chart files."""

    version: ModelVersion
    model: Model
    fitted: FittedModel
    charts: Mapping[str, str]


def render_card(parts: CardParts) -> str:
    """Return the card; charts are named by their files, which lie beside it."""
    version, charts = parts.version, parts.charts
    metrics = [[name, f"{value:.6g}"] for name, value in sorted(version.metrics.items())]
    gates = [[gate.name, gate.asked, gate.measured, _VERDICTS[gate.passed]] for gate in version.gates]
    inputs = [_input_row(item, version.importance) for item in version.inputs]
    sections = [
        f"# {version.model}\n",
        f"{paragraph(parts.model.about.description)}\n" if parts.model.about.description else "",
        _table(("", ""), _facts(parts)),
        "## Data\n\n" + _data(parts),
        "## Metrics\n\n" + (_table(("metric", "value"), metrics) if metrics else "Nothing was measured.\n"),
        "## Gates\n\n" + _table(("gate", "asked", "measured", ""), gates) if gates else "",
        "## Inputs\n\n" + _table(("input", "type", "feature", "default", "importance"), inputs),
        "## Charts\n\n" + "".join(f"![{title}]({file})\n" for title, file in charts.items()) if charts else "",
        "## Warnings\n\n" + "".join(f"- {prose(w.message)}\n" for w in parts.fitted.warnings)
        if parts.fitted.warnings
        else "",
        "## Libraries\n\n" + _table(("library", "version"), [list(item) for item in version.libraries.items()]),
    ]
    return "\n".join(section for section in sections if section)


def _facts(parts: CardParts) -> list[list[str]]:
    version, model = parts.version, parts.model
    params = version.params.get("params")
    given = params.items() if isinstance(params, Mapping) else ()
    facts = [
        ("owner", model.about.owner or "-"),
        ("tags", ", ".join(model.about.tags) or "-"),
        ("label", label_text(model.spine.label)),
        ("estimator", str(version.params.get("estimator") or version.params.get("run"))),
        ("parameters", ", ".join(f"{name}={json.dumps(value)}" for name, value in given) or "-"),
        ("seed", str(version.seed)),
        ("trained", f"{format_instant(version.created_at)}, commit {parse_commit(version.code_commit).shown or '-'}"),
        ("artifact", f"{version.artifact} ({format_bytes(version.artifact_bytes)})"),
        ("SHA-256", version.artifact_sha256),
        ("for serving", version.onnx or f"the artifact: {version.onnx_missing}"),
    ]
    return [list(fact) for fact in facts]


def _data(parts: CardParts) -> str:
    version, model, fitted = parts.version, parts.model, parts.fitted
    trained = (
        f"Trained on {counted(version.rows_train, 'row')} of {model.spine.source.name}, "
        f"from {format_instant(fitted.train_from)} to {format_instant(fitted.train_until)}."
    )
    other = model.trainer.validation_source if model.trainer else None
    judged = "Judged on no rows."
    if fitted.validation_from is not None and version.rows_validation:
        where = other.name + _selected(model) if other else model.spine.source.name
        since = format_instant(fitted.validation_from)
        judged = f"Judged on {counted(version.rows_validation, 'row')} of {where}, from {since} on."
    tables = [[label, str(number)] for label, number in sorted(version.table_versions.items())]
    sentence = f"{trained} {judged}\n"
    return sentence + ("\n" + _table(("view", "version of its table"), tables) if tables else "")


def _selected(model: Model) -> str:
    """Return what the columns of a validation source are made of that the model reads."""
    made = {
        name.removeprefix(VALIDATION_SELECT): fact.text
        for name, fact in model_facts(model).items()
        if name.startswith(VALIDATION_SELECT)
    }
    return f" ({', '.join(code(f'{name}: {text}') for name, text in made.items())})" if made else ""


def _input_row(item: BoundFeature, importance: Mapping[str, float]) -> list[str]:
    share = importance.get(item.name)
    return [
        item.name,
        _type(item),
        f"{item.view}@{item.view_version}:{item.feature}" if item.view else "-",
        "-" if item.default is None else json.dumps(item.default),
        "-" if share is None else f"{share:.2%}",
    ]


def _type(item: BoundFeature) -> str:
    if item.model_dtype != CATEGORY or not item.categories:
        return item.model_dtype
    more = len(item.categories) - _MOST_CATEGORIES
    listed = ", ".join(item.categories[:_MOST_CATEGORIES])
    return f"{CATEGORY}: {listed}{f' and {more:,} more' if more > 0 else ''}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return prose(" ".join(text.split()))
