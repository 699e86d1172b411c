"""What a slow refresh costs, and what training on the values as served wins back."""

from __future__ import annotations

import pytest
import yaml

from benchmarks.outage import compare, tell, write_repository
from benchmarks.story import HONEST, without_features
from benchmarks.story_features import all_columns, open_tables
from tests.benchmarks.test_story import small  # noqa: F401 (a fixture)

pytestmark = pytest.mark.long  # of programs that measure, not of the package


def test_values_that_are_served_as_they_are_known_cost_nothing(small):  # noqa: F811
    with open_tables(small) as database:
        known = all_columns(database, HONEST)
    for line in compare(known, known, "1h"):
        assert line.offline == line.production
    honest, again = compare(known, without_features(known).select(known.columns), "48h")
    assert honest.offline > again.offline == again.production


def test_every_view_with_an_sla_is_refreshed_as_rarely(tmp_path, capsys):
    write_repository(tmp_path / "flights", "2d")
    capsys.readouterr()
    views = [
        view
        for file in (tmp_path / "flights" / "views").glob("*.yaml")
        for view in yaml.safe_load(file.read_text())["feature_views"]
    ]
    assert {view.get("refresh") for view in views if "freshness" in view} == {"2d"}
    assert {view["name"] for view in views if "freshness" not in view} == {"airport_facts", "plane_facts"}


@pytest.mark.stress
def test_training_as_served_wins_a_part_back(tmp_path, capsys):
    write_repository(tmp_path / "flights", "48h")
    known, served = tell(tmp_path / "flights", "48h")
    capsys.readouterr()
    assert known.offline == pytest.approx(0.762, abs=0.003)
    assert known.production == pytest.approx(0.615, abs=0.01)
    assert served.production == pytest.approx(0.662, abs=0.01)
