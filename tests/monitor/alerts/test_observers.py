"""What measures each metric of an alert is one table."""

from __future__ import annotations

from featurectl.language.definitions.alerts import METRICS, OF_ONE_MOMENT
from featurectl.monitor.alerts.all_metrics import OBSERVERS
from featurectl.monitor.alerts.measure import WINDOWS_US


def test_every_metric_of_the_language_is_measured_by_something():
    assert set(OBSERVERS) == set(METRICS)


def test_every_metric_that_is_measured_over_a_time_has_a_window():
    assert set(WINDOWS_US) == set(METRICS) - set(OF_ONE_MOMENT)
