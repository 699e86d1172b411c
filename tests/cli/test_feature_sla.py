"""A feature with a freshness of its own, from the files to what every command says of it."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import FILES, materialize_shop, write_shop

VIEWS = FILES["views.yaml"].replace(
    "aggregates: [{op: count, windows: [7d]}, {",
    "freshness: {error_after: 2d}\n    aggregates: [{op: count, windows: [7d]}, {",
)
OWN = VIEWS.replace(
    "[{op: count, windows: [7d]}", "[{op: count, windows: [7d], freshness: {warn_after: 1h, error_after: 12h}}"
)
ALERTS = """
notifiers: [{name: file, command: "tee -a told.jsonl"}]
alerts: [{name: stale, when: freshness > error_after, views: [spend], severity: warning, notify: [file]}]
"""


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A function that runs a command in a shop whose SLAs are all of views."""
    root = write_shop(tmp_path)
    (root / "views.yaml").write_text(VIEWS)
    monkeypatch.chdir(root)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    materialize_shop(root)
    assert main(["push", "-q"]) == 0

    def run(*words):
        capsys.readouterr()
        code = main(list(words))
        return code, capsys.readouterr().out

    run.root = root
    return run


def test_an_own_sla_is_metadata_and_judged_everywhere_by_itself(shop):
    assert shop("status")[0] == 0  # 14 h old
    (shop.root / "views.yaml").write_text(OWN)
    _, out = shop("plan")
    assert "features.count_7d.freshness.error_after   - -> 12h" in out
    code, out = shop("apply", "--auto-approve")
    assert (code, "1 changed" in out) == (0, True)
    code, out = shop("status")
    shown = [line for line in out.splitlines() if line.startswith(("spend", "  count_7d"))]
    assert (code, [line.split()[0] for line in shown]) == (1, ["spend", "count_7d"])
    assert " - / 2d  " in shown[0] and " OK " in shown[0]  # noqa: PT018  # of one line
    assert "1h / 12h" in shown[1]
    assert "STALE" in shown[1]
    assert "+2 h over" in shown[1]
    rows = {row["name"]: row for row in json.loads(shop("status", "-o", "json")[1])["result"]["rows"]}
    assert (rows["spend"]["state"], rows["spend:count_7d"]["state"]) == ("OK", "STALE")
    assert rows["spend:count_7d"]["version"] == rows["spend"]["version"] == 1
    assert shop("status", "--as-of", "2026-01-07T10:30:00Z")[1].count("count_7d") == 0
    code, out = shop("why", "spend")
    assert (code, "STALE, 14 h old (SLA 1h / 12h)" in out) == (1, True)


def test_an_alert_by_sla_tells_of_the_features_that_break_their_own(shop):
    (shop.root / "views.yaml").write_text(OWN)
    (shop.root / "alerts.yaml").write_text(ALERTS)
    shop("apply", "--auto-approve")
    code, out = shop("monitor", "check")
    assert (code, "told file: stale (source:orders: view:spend@1:count_7d) firing" in out) == (1, True)
    told = json.loads((shop.root / "told.jsonl").read_text())
    assert [(s["name"], s["value"]) for s in told["subjects"]] == [("view:spend@1:count_7d", "14 h")]
    assert (told["condition"], told["look"]) == ("freshness > error_after", "featurectl why spend@1 --env dev")
    rules = json.loads(shop("monitor", "rules", "-o", "json")[1])["result"]
    assert rules["not_rendered"] == [{"alert": "stale", "why": "freshness: the rules of SLAs above tell it"}]
    (shop.root / "alerts.yaml").write_text(ALERTS.replace("freshness > error_after", "checks > error_after"))
    assert shop("validate")[0] == 1


@pytest.mark.long
def test_the_catalog_says_which_sla_holds_for_a_feature(shop):
    (shop.root / "views.yaml").write_text(OWN)
    shop("apply", "--auto-approve")
    assert "warn after 1h, error after 12h (its own)" in shop("show", "spend:count_7d")[1]
    whole = shop("show", "spend:amount_sum_7d")[1]
    assert ("error after 2d" in whole, "its own" in whole) == (True, False)
    assert "freshness of count_7d" in shop("show", "spend")[1]
    listed = json.loads(shop("list", "features", "-o", "json")[1])["result"]
    found = {
        item["name"]: item["error_after_seconds"] for item in next(v for v in listed.values() if isinstance(v, list))
    }
    assert (found["spend:count_7d"], found["spend:amount_sum_7d"]) == (43_200.0, 172_800.0)
