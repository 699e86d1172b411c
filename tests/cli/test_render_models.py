"""Two model versions drawn side by side, as text and as JSON."""

import json
import re
from dataclasses import replace

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Label, Model, RequestInput, Spine
from featurectl.language.definitions.source import Source
from featurectl.operations.models.diff import VersionDiff, VersionFact, compare_versions
from featurectl.registry.state import BoundFeature, GateResult
from featurectl.render.diff_models import diff_json, render_diff
from tests.cli.golden import assert_golden
from tests.registry.test_contract import MODEL

FLIGHTS = Source(name="flights", format="parquet", path="f.parquet", event_time="at")


def asked(label, *inputs):
    """The definition of a model with a label and more inputs than a delay and a category."""
    x = FeatureInput(
        name="x", view="delays", feature="count_1d", join={"a": "a", "z": "origin"}, dtype=None, model_dtype=None
    )
    c = RequestInput(name="c", dtype="string", model_dtype="category")
    spine = Spine(source=FLIGHTS, time="at", label=Label(name="is_late", expression=Expression(label), dtype="bool"))
    return dump_definition(Model(name="late", spine=spine, inputs=(x, c, *inputs), trainer=None))


def derived(expression):
    return DerivedInput(name="d", expression=Expression(expression), dtype="float64")


FIRST = replace(
    MODEL,
    version=1,
    definition=asked("arr_delay > 15", derived("x * 2")),
    inputs=(*MODEL.inputs, BoundFeature(name="d", dtype="float64", model_dtype="float64")),
    params={"estimator": "lightgbm.LGBMClassifier", "run": None, "seed": 7, "params": {"max_depth": 7, "rate": 0.1}},
    rows_train=252_582,
    rows_validation=84_194,
    artifact_bytes=684_032,
    gates=(
        GateResult(name="min_auc", asked="at least 0.65", measured="0.7625"),
        GateResult(name="single_feature_auc", asked="at most 0.99 for each input", measured="few rows", passed=None),
    ),
)
SECOND = replace(
    FIRST,
    version=2,
    status="rejected",
    code_commit="",
    definition=asked(
        "arr_delay > 30", derived("x * 3"), RequestInput(name="distance", dtype="int64", model_dtype="int64")
    ),
    inputs=(
        replace(FIRST.inputs[0], view_version=2),
        *FIRST.inputs[1:],
        BoundFeature(name="distance", dtype="int64", model_dtype="int64"),
    ),
    view_versions={"delays": 2},
    table_versions={"delays@2": 1},
    params={**FIRST.params, "params": {"max_depth": 9, "leaves": 63}},
    metrics={"auc": 0.6412, "log_loss": 0.5},
    gates=(
        GateResult(name="min_auc", asked="at least 0.65", measured="0.6412", passed=False),
        GateResult(name="max_auc", asked="at most 0.95", measured="0.6412"),
    ),
)


def test_two_versions_stand_side_by_side_and_marks_say_what_differs():
    assert_golden("models_diff.txt", render_diff(compare_versions(FIRST, SECOND), is_whole=True) + "\n")
    assert_golden("models_diff.json", json.dumps(diff_json(compare_versions(FIRST, SECOND)), indent=2) + "\n")


def test_a_version_compared_with_itself_has_no_mark():
    text = render_diff(compare_versions(FIRST, FIRST), is_whole=True)
    assert {line[:1] for line in text.splitlines() if line} == {" "}


def test_only_what_differs_is_shown_unless_all_is_asked_for():
    diff = compare_versions(FIRST, SECOND)
    whole = render_diff(diff, is_whole=True).splitlines()
    shown = render_diff(diff, is_whole=False).splitlines()
    marked = [" ".join(line.split()) for line in whole if line[:1] in "~+-=" and line]
    assert [" ".join(line.split()) for line in shown if line[:1] in "~+-=" and line] == marked
    unmarked = len([line for line in whole if line]) - len(marked) - len([line for line in whole if "late@1" in line])
    assert shown[-1] == f"{unmarked} lines without a difference: -v shows all"
    same = render_diff(compare_versions(FIRST, FIRST), is_whole=False)
    assert re.fullmatch(r"late@1 and late@1 say the same; \d+ lines without a difference: -v shows all", same)


def test_selections_of_keys_that_are_those_of_renamed_inputs_are_left_out():
    def version(name, text):
        return {f"features.{name}.select.user": VersionFact(text, text, text), "time": VersionFact("at", "at", "at")}

    for other, lines in (('"User ID"', 0), ('"Buyer ID"', 2)):
        parts = {"question": (version("a", '"User ID"'), version("c", other))}
        text = render_diff(VersionDiff(first=FIRST, second=SECOND, parts=parts), is_whole=True)
        assert text.count(".select.user") == lines
