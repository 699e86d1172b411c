"""Alert rules and the dashboard, held to golden files that promtool has checked."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from featurectl.cli.main import main
from featurectl.language.load import load_repo
from featurectl.monitor.prometheus.grafana import render_dashboard
from featurectl.monitor.prometheus.rules import rules_of
from featurectl.monitor.prometheus.rules_yaml import render_rules

GOLDEN = Path(__file__).parent / "golden"
PROJECT = "project: shop\nenvironments: {prod: {registry: 'sqlite:///r.db', offline: off, online: 'sqlite:///o.db'}}\n"
WITH_LOG = PROJECT.replace("offline: off", "offline: off, prediction_log: {sample: 0.1}")
OBJECTS = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: orders.csv
    event_time: at
    columns: {customer: string, at: timestamp, amount: float64}
    freshness: {warn_after: 30m, error_after: 2h}
    checks: [{column: amount, not_null: true}]
  - {name: visits, path: visits.csv, event_time: at, columns: {customer: string, at: timestamp, page: string}}
feature_views:
  - {name: last_order, entity: customer, source: orders, features: [amount], freshness: {error_after: 6h}, owner: ana}
  - {name: last_visit, entity: customer, source: visits, features: [page], freshness: {warn_after: 1d}}
  - {name: unbounded, entity: customer, source: visits, features: [page]}
"""
ALERTS = """
alerts:
  - {name: stale, when: freshness > 24h, views: ["*"], severity: warning, notify: [ops]}
  - {name: stale_some, when: freshness > 90m, views: ["last_*"], for: 10m, severity: info, notify: [ops, boss]}
  - {name: slow, when: latency_p99 > 150ms in 5m, severity: critical, notify: [ops], repeat: 1h}
  - {name: slow_half, when: latency_p50 >= 20ms, severity: info, notify: [ops]}
  - {name: too_slow, when: latency_p95 > 5000ms in 5m, severity: critical, notify: [ops]}
  - {name: failing, when: error_rate > 5% in 10m, for: 5m, severity: critical, notify: [ops]}
  - {name: store_down, when: store_errors > 10 in 5m, severity: critical, notify: [ops]}
  - {name: bad_data, when: checks > 0, severity: warning, notify: [ops]}
  - {name: bad_orders, when: checks != 0, views: [last_order], severity: warning, notify: [ops]}
  - {name: drift, when: psi > 0.2, for: 1h, severity: warning, notify: [ops]}
  - {name: skewed, when: skew > 1%, severity: warning, notify: [ops]}
  - {name: empty, when: null_rate > 10%, severity: warning, notify: [ops]}
notifiers: [{name: ops, email: ops@example.com}, {name: boss, email: boss@example.com}]
"""


OWN = OBJECTS.replace("features: [amount]", "features: [{name: amount, freshness: {warn_after: 10m, error_after: 1h}}]")


def test_a_feature_with_its_own_sla_has_rules_of_its_own(tmp_path):
    made = rules_of(load_repo(write(tmp_path, objects=OWN), None), "prod")
    own = [rule for rule in made.slas if rule.labels.get("kind") == "feature"]
    assert [(rule.alert, rule.labels["name"]) for rule in own] == [
        ("FeaturectlStale", "last_order:amount"), ("FeaturectlLate", "last_order:amount"),
    ]  # fmt: skip
    assert (own[0].labels["source"], own[0].labels["owner"]) == ("orders", "ana")
    assert own[0].annotations["description"] == "featurectl why last_order@{{ $labels.version }} --env prod"
    assert own[0].expr.endswith('kind="feature", name="last_order:amount"} > 3600')
    assert own[1].expr.endswith("> 600 <= 3600")


def write(folder, alerts=ALERTS, objects=OBJECTS):
    (folder / "featurectl.yaml").write_text(PROJECT)
    (folder / "objects.yaml").write_text(objects)
    if alerts:
        (folder / "alerts.yaml").write_text(alerts)
    return folder


def assert_golden(name, text):
    if os.environ.get("GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert (GOLDEN / name).read_text() == text, f"GOLDEN=write writes {name} again"


def test_the_alertmanager_example_is_that_of_the_docs_and_has_its_labels(tmp_path):
    text = (Path(__file__).parent / "alertmanager.yml").read_text()
    page = Path(__file__).parents[3] / "docs" / "how-to" / "watch-freshness.md"
    assert f"```yaml\n{text}```" in page.read_text()
    document, made = yaml.safe_load(text), rules_of(load_repo(write(tmp_path), None), "prod")
    labels = [{"alertname": rule.alert, **rule.labels} for rule in (*made.slas, *made.alerts)]
    for rule in document["inhibit_rules"]:
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            found = [one for one in labels if all(matches_labels(matcher, one) for matcher in matchers)]
            assert found, f"{matchers}: no rule is meant"
            assert [one for one in found if not set(rule["equal"]) <= set(one)] == [], matchers
    assert all({"project", "environment", "severity"} <= set(one) for one in labels)


def matches_labels(matcher, labels):
    name, sign, pattern = re.fullmatch(r'(\w+)(=~|=)"(.*)"', matcher).groups()
    return re.fullmatch(pattern if sign == "=~" else re.escape(pattern), labels.get(name, "")) is not None


def test_rules_are_those_that_promtool_has_checked(tmp_path):
    write(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(WITH_LOG)
    repo = load_repo(tmp_path, None)
    assert repo.errors == ()
    assert_golden("shop.rules.yaml", render_rules(rules_of(repo, "prod")))


def without_slas():
    objects = OBJECTS.replace(", freshness: {error_after: 6h}", "").replace(", freshness: {warn_after: 1d}", "")
    return objects.replace("    freshness: {warn_after: 30m, error_after: 2h}\n", "")


def test_a_repository_without_slas_and_alerts_has_no_rules(tmp_path):
    repo = load_repo(write(tmp_path, "", without_slas()), None)
    assert_golden("none.rules.yaml", render_rules(rules_of(repo, "prod")))


@pytest.mark.parametrize(("when", "watched"), [("freshness > 1d", True), ("checks > 0", True), ("psi > 1", False)])
def test_an_alert_on_exported_metrics_needs_a_watcher_also_without_an_sla(tmp_path, when, watched):
    alerts = f"alerts: [{{name: a, when: {when}, severity: info, notify: [ops]}}]\n"
    alerts += "notifiers: [{name: ops, email: ops@example.com}]\n"
    repo = load_repo(write(tmp_path, alerts, without_slas()), None)
    made = {rule.alert for rule in rules_of(repo, "prod").slas}
    assert made == ({"FeaturectlError", "FeaturectlUnseen"} if watched else set())


def test_every_alert_is_a_rule_or_says_why_it_is_none(tmp_path):
    repo = load_repo(write(tmp_path), None)
    made = rules_of(repo, "prod")
    rendered = {rule.alert.removeprefix("featurectl_") for rule in made.alerts}
    left = {item.alert for item in made.not_rendered}
    assert rendered | left == repo.alerts.keys()
    assert left == {"drift", "skewed", "empty", "too_slow"}


def test_the_file_means_what_the_rules_say(tmp_path):
    made = rules_of(load_repo(write(tmp_path), None), "prod")
    groups = yaml.safe_load(render_rules(made))["groups"]
    read = [rule for group in groups for rule in group["rules"]]
    wanted = [*made.slas, *made.alerts]
    assert [(r["alert"], r["expr"], r["labels"], r["annotations"]) for r in read] == [
        (w.alert, w.expr, dict(w.labels), dict(w.annotations)) for w in wanted
    ]


def test_an_owner_of_any_characters_stays_one_text(tmp_path):
    owner = 'it\'s \\"a\\" team: #1 \\u0007'
    made = rules_of(load_repo(write(tmp_path, "", OBJECTS.replace("owner: ana", f'owner: "{owner}"')), None), "prod")
    rules = yaml.safe_load(render_rules(made))["groups"][0]["rules"]
    assert {rule["labels"].get("owner") for rule in rules} == {None, 'it\'s "a" team: #1 \x07'}


def test_an_owner_is_no_template(tmp_path):
    objects = OBJECTS.replace("owner: ana", "owner: 'team {{ $x'")
    made = rules_of(load_repo(write(tmp_path, "", objects), None), "prod")
    assert made.slas[0].labels["owner"] == 'team {{ "{{" }} $x'


def test_an_alert_of_a_model_is_about_the_views_that_it_reads(tmp_path):
    model = """
models:
  - name: churn
    spine: {source: visits, time: at, label: {name: bought, expr: page = 'thanks'}}
    features: [{feature: "last_order:amount"}]
    trainer: {estimator: "a.b:C", validation: {split: time, fraction: 0.25}}
"""
    alerts = """
alerts:
  - {name: old, when: freshness > 1h, models: [churn], severity: info, notify: [ops]}
  - {name: both, when: freshness > 1h, models: ["ch*"], views: [last_visit], severity: info, notify: [ops]}
  - {name: bad, when: checks > 0, models: [churn], severity: info, notify: [ops]}
  - {name: slow, when: latency_p99 > 1s, views: [last_order], severity: info, notify: [ops]}
  - {name: gone, when: store_errors > 1, models: ["c*"], severity: info, notify: [ops]}
  - {name: nobody, when: error_rate > 1%, views: [last_visit], severity: info, notify: [ops]}
notifiers: [{name: ops, email: ops@example.com}]
"""
    repo = load_repo(write(tmp_path, alerts, OBJECTS + model), None)
    assert repo.errors == ()
    rules = {rule.alert.removeprefix("featurectl_"): rule for rule in rules_of(repo, "prod").alerts}
    assert 'name=~"last_order"' in rules["old"].expr
    assert 'name=~"last_order|last_visit"' in rules["both"].expr
    assert 'view=~"last_order"' in rules["bad"].expr
    assert 'model=~"churn"' in rules["slow"].expr
    assert 'result="store", model=~"churn"' in rules["gone"].expr
    assert 'model=~""' in rules["nobody"].expr  # no metric has that


def test_a_rule_says_in_what_it_differs_from_its_alert(tmp_path):
    alerts = """
alerts:
  - {name: week, when: checks > 0 in 7d, severity: info, notify: [ops]}
  - {name: month, when: checks > 0 in 30d, severity: info, notify: [ops]}
notifiers: [{name: ops, email: ops@example.com}]
"""
    month, week = rules_of(load_repo(write(tmp_path, alerts), None), "prod").alerts
    assert month.comments == ("month: checks > 0 in 30d",)
    assert week.comments[1:] == ("of the last 30d: so far back does featurectl monitor export look",)


def test_dashboards_of_long_names_have_their_own_identifiers():
    found = {json.loads(render_dashboard("p" * 40, env))["uid"] for env in ("dev", "prod", "prod_eu")}
    assert len(found) == 3
    assert max(len(uid) for uid in found) == 40


def test_the_dashboard_asks_for_metrics_that_there_are():
    text = render_dashboard("shop", "prod")
    assert_golden("dashboard.json", text)
    panels = json.loads(text)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path))
    (tmp_path / "featurectl.yaml").write_text(WITH_LOG)
    return tmp_path


def test_the_command_prints_rules_or_writes_them_whole(shop, capsys):
    assert main(["monitor", "rules"]) == 0
    assert capsys.readouterr().out == (GOLDEN / "shop.rules.yaml").read_text()
    assert main(["monitor", "rules", "--out", "prom.rules", "--grafana", "board.json"]) == 0
    told = capsys.readouterr().out
    assert told == "Wrote 15 rules to prom.rules; 4 alerts that no metric tells: see its comments\n"
    assert (shop / "prom.rules").read_text() == (GOLDEN / "shop.rules.yaml").read_text()
    assert (shop / "board.json").read_text() == (GOLDEN / "dashboard.json").read_text()
    assert not list(shop.glob(".*.part"))


@pytest.mark.usefixtures("shop")
def test_the_command_in_json(capsys):
    assert main(["monitor", "rules", "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert len(result["rules"]) == 15
    assert result["not_rendered"][0] == {
        "alert": "drift",
        "why": "psi: featurectl monitor measures it: no metric of a server does",
    }


@pytest.mark.parametrize("place", ["no/such/folder/prom.rules", "objects.yaml/prom.rules", "."])
@pytest.mark.usefixtures("shop")
def test_a_file_that_cannot_be_written_is_wrong_usage(capsys, place):
    assert main(["monitor", "rules", "--out", place]) == 64
    assert capsys.readouterr().err.startswith(f"error: --out {place} can't be written: ")


@pytest.mark.parametrize("option", ["--out", "--grafana"])
@pytest.mark.parametrize("place", ["prom.yaml", "ops/prom.yml", "objects.yaml"])
def test_what_would_be_read_as_a_file_of_the_repository_is_not_written(shop, capsys, option, place):
    before = {path: path.read_bytes() for path in shop.rglob("*.yaml")}
    assert main(["monitor", "rules", option, place]) == 64
    assert (
        f"error: {option} {place} would be read as a file of the repository\n  = {option} " in capsys.readouterr().err
    )
    assert {path: path.read_bytes() for path in shop.rglob("*.y*ml")} == before


@pytest.mark.usefixtures("shop", "capsys")
def test_a_place_elsewhere_may_have_any_name(tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("prometheus") / "featurectl.yaml"
    assert main(["monitor", "rules", "--out", str(elsewhere)]) == 0
    assert elsewhere.exists()
    assert main(["monitor", "rules", "-q"]) == 0
