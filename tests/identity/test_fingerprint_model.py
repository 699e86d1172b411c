"""Every field of a model is in one of its fingerprints, and in the right one."""

from dataclasses import fields, replace

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.gates import Canary, CanarySuccess, Gates, Robustness
from featurectl.language.definitions.model import DerivedInput, Model, Trainer
from featurectl.language.definitions.on_events import OnEvents
from tests.definitions import ARRIVALS, MODEL
from tests.fields import every_field, which


def every_value_is_metadata(part, before, changed):
    """Check that `changed` has a value for each field of a part of a model, none of which can change a score."""
    assert set(changed) == {f.name for f in fields(before)}
    for field, value in changed.items():
        after = replace(MODEL, **{part: replace(before, **{field: value})})
        assert which(replace(MODEL, **{part: before}), after) == "metadata", field


def test_every_field_of_a_model_is_in_one_of_its_fingerprints():
    changed = {
        "spine": (replace(MODEL, spine=replace(MODEL.spine, time="known_at")), "data"),
        "inputs": (replace(MODEL, inputs=MODEL.inputs[::-1]), "data"),
        "trainer": (replace(MODEL, trainer=replace(MODEL.trainer, params={"C": 2.0})), "data"),
        "output_name": (replace(MODEL, output_name="p"), "data"),
        "output_dtype": (replace(MODEL, output_dtype="float64"), "data"),
        "allow_pickle": (replace(MODEL, allow_pickle=True), "metadata"),
        "missing_no_row": (replace(MODEL, missing_no_row="warn"), "metadata"),
        "missing_stale": (replace(MODEL, missing_stale="reject"), "metadata"),
        "missing_max_age_us": (replace(MODEL, missing_max_age_us=1), "metadata"),
        "gates": (replace(MODEL, gates=Gates(least={"auc": 0.6})), "metadata"),
        "canary": (replace(MODEL, canary=Canary(percent=5, for_us=1)), "metadata"),
        "on_events": (replace(MODEL, on_events=OnEvents(topic="scores")), "metadata"),
        "about": (replace(MODEL, about=About(description="d")), "metadata"),
    }
    every_field(Model, changed)
    assert {field: which(MODEL, after) for field, (after, _) in changed.items()} == {
        field: expected for field, (_, expected) in changed.items()
    }
    trainer = {"run": "x", "estimator": "y", "params": {}, "split_fraction": 0.5, "validation_source": ARRIVALS}
    trainer |= {"sample": 0.5, "seed": 1}
    assert set(trainer) == {f.name for f in fields(Trainer)}
    for field, value in trainer.items():
        assert which(MODEL, replace(MODEL, trainer=replace(MODEL.trainer, **{field: value}))) == "data"
    gates = {"least": {"auc": 0.5}, "most": {"auc": 0.9}, "least_gain": {"auc": 0.1}, "slices": ("carrier",)}
    gates |= {"max_model_size_mb": 1.0, "max_latency_p99_ms": 1.0, "robustness": Robustness(noise=0.1)}
    every_value_is_metadata("gates", Gates(), gates)
    shares = ("noise", "missing", "unseen", "max_mean_shift", "max_auc_drop")
    for field in shares:
        gated = replace(MODEL, gates=Gates(robustness=Robustness(**{field: 0.5})))
        assert which(replace(MODEL, gates=Gates(robustness=Robustness())), gated) == "metadata"
    assert set(shares) == {f.name for f in fields(Robustness)}
    success = {"latency_p99_ms": 1.0, "error_rate_percent": 1.0, "freshness_us": 1, "score_psi": 0.1}
    canary = {"percent": 5.0, "for_us": 2, "min_requests": 3, "success": CanarySuccess(latency_p99_ms=1.0)}
    every_value_is_metadata("canary", Canary(percent=0, for_us=1), canary)
    for field, value in success.items():
        before = Canary(percent=0, for_us=1)
        after = replace(before, success=CanarySuccess(**{field: value}))
        assert which(replace(MODEL, canary=before), replace(MODEL, canary=after)) == "metadata"
    assert set(success) == {f.name for f in fields(CanarySuccess)}
    places = {"topic": "t", "url": "redis://r", "path": "p", "where": Expression("true"), "max_age_us": 1}
    every_value_is_metadata("on_events", OnEvents(), places)
    feature, request = MODEL.inputs
    others = {
        "name": "n",
        "view": "v",
        "feature": "f",
        "join": {"carrier": "c"},
        "dtype": "float64",
        "model_dtype": "category",
        "default": 0,
        "categories": ("a",),
    }
    assert set(others) == {f.name for f in fields(feature)}
    for field, value in others.items():
        assert which(MODEL, replace(MODEL, inputs=(replace(feature, **{field: value}), request))) == "data"
    derived = DerivedInput(name="d", expression=Expression("hour * 2"), dtype=None)
    other = replace(derived, expression=Expression("hour * 3"))
    assert which(replace(MODEL, inputs=(derived,)), replace(MODEL, inputs=(other,))) == "data"
