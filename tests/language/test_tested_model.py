"""What columns of a training set are made of."""

import pytest

from featurectl.language.resolve.tested_model import needed_columns, needed_inputs
from tests.language.repository import BASE, load

MODEL = """models:
  - name: m
    spine: {source: flights, time: at, label: {name: late, expr: arr_delay > 15}}
    features:
      - request: {distance: float64}
      - {view: delays, prefix: a_, features: [count_1d, trend]}
      - {view: facts, join: {airport: origin}, prefix: from_, features: [alt]}
      - {view: facts, join: {airport: dest}, prefix: to_, features: [alt]}
      - {feature: "delays:delay_mean_1d", as: mean, default: 3}
      - derived:
          - {name: climb, expr: to_alt - from_alt}
          - {name: slope, expr: climb / distance}
          - {name: since, expr: "seconds_between(asof, asof)"}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    repo = load(tmp_path_factory.mktemp("repo"), {"base.yaml": BASE, "m.yaml": MODEL})
    assert repo.errors == ()
    return repo.models["m"]


@pytest.mark.parametrize(
    ("columns", "inputs", "spine"),
    [
        (["slope"], ["distance", "from_alt", "to_alt", "climb", "slope"], {"distance", "origin", "dest"}),
        (["to_alt"], ["to_alt"], {"dest"}),
        (["a_trend"], ["a_count_1d", "a_trend", "mean"], {"carrier"}),  # the trend sees the default of the mean
        (["late", "since"], ["since"], {"arr_delay"}),
        (["distance"], ["distance"], {"distance"}),
        (["origin"], [], {"origin"}),
        ([], [], set()),
    ],
)
def test_columns_are_made_of_what_they_read_and_of_what_stands_beside_it(model, columns, inputs, spine):
    assert [item.name for item in needed_inputs(model.inputs, columns)] == inputs
    assert needed_columns(model, columns) == spine
