"""What an alert on `skew` measures of a repository, and what it says where there is nothing to measure it by."""

from __future__ import annotations

import pytest

from featurectl.core.errors import UsageError
from featurectl.monitor.alerts.request_rows import RequestWindow
from featurectl.monitor.alerts.workspace_metrics import WorkspaceMetrics
from featurectl.workspace.open import open_workspace
from tests.monitor.verify.injections import DAY, NOW, inject_log, read_orders
from tests.monitor.verify.shop import log_folder

DAY_BEFORE = RequestWindow(since=NOW - DAY, until=NOW)  # served at now


def measured(root):
    with open_workspace(root, None, None, "unread") as workspace:
        found = WorkspaceMetrics(workspace, workspace.state()).skew("buy", DAY_BEFORE)
        return {item.feature: (item.value, item.cause) for item in found}


@pytest.mark.long
def test_the_share_of_each_feature_is_told_with_its_cause(shop):
    found = measured(shop)
    assert list(found) == ["count_1d", "count_7d", "amount_sum_7d", "amount_max_7d", "tier", "age"]
    assert all(told == (0.0, f"feature {name} of buy@1: 0 of 150 values differ") for name, told in found.items())
    inject_log("stale push", read_orders(shop / "orders.parquet"), log_folder(shop))
    value, cause = measured(shop)["count_1d"]
    assert value > 0.5
    assert cause.endswith(f"{value * 150:.0f} of 150 values differ: stale push {value * 150:.0f}")


@pytest.mark.long
def test_without_a_log_nothing_is_called_right(shop):
    file = shop / "featurectl.yaml"
    file.write_text(file.read_text().replace("sample: 1.0", "sample: 0"))
    with pytest.raises(UsageError, match="environment dev has no prediction log, which this is measured by"):
        measured(shop)
