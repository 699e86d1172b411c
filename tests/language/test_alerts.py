"""What alerts and notifiers mean."""

from __future__ import annotations

import pytest

from featurectl.language.definitions.alerts import Alert, Condition, Notifier
from featurectl.language.load import load_repo
from featurectl.language.shapes.alerts import condition_of
from tests.language.repository import write_repo

HOUR_US = 3_600_000_000
COUNTED = "runs of pipelines are counted by pipeline_failures"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("freshness > 24h", Condition(metric="freshness", op=">", value=24 * HOUR_US)),
        ("latency_p95 >= 1.5ms", Condition(metric="latency_p95", op=">=", value=1500)),
        ("latency_p99 > 2s in 1h", Condition(metric="latency_p99", op=">", value=2e6, window_us=HOUR_US)),
        ("psi > 0.2", Condition(metric="psi", op=">", value=0.2)),
        (" null_rate  <  5% ", Condition(metric="null_rate", op="<", value=0.05)),
        ("checks != 0 in 1d", Condition(metric="checks", op="!=", value=0, window_us=24 * HOUR_US)),
    ],
)
def test_a_condition_is_in_the_unit_of_its_metric(text, condition):
    assert condition_of(text) == condition


def test_alerts_and_notifiers_are_those_of_the_file(tmp_path):
    text = """
notifiers:
  - {name: ops, slack: "${HOOK}"}
  - {name: file, command: "tee -a told"}
alerts:
  - {name: old, when: freshness > 1d, severity: critical, notify: [ops, file], for: 1h, repeat: 6h, views: ["*"]}
  - {name: far, when: psi > 0.2, severity: info, notify: [file]}
"""
    write_repo(tmp_path, {"alerts.yaml": text})
    repo = load_repo(tmp_path, None)
    assert repo.problems == ()
    assert list(repo.notifiers.values()) == [
        Notifier(name="ops", way="slack", address="${HOOK}"),
        Notifier(name="file", way="command", address="tee -a told"),
    ]
    old = Condition(metric="freshness", op=">", value=24 * HOUR_US)
    far = Condition(metric="psi", op=">", value=0.2)
    assert list(repo.alerts.values()) == [
        Alert(name="old", when=old, severity="critical", notify=("ops", "file"), for_us=HOUR_US,
              repeat_us=6 * HOUR_US, views=("*",)),
        Alert(name="far", when=far, severity="info", notify=("file",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("when", "pipelines", "wrong"),
    [
        ("pipeline_failures > 0 in 1d", "[nightly]", ""),
        ("pipeline_failures > 0 in 1d", '["night*"]', ""),
        ("pipeline_failures > 0", "[nihgtly]", 'no pipeline "nihgtly"'),
        (
            "checks > 0",
            "[nightly]",
            "runs of pipelines are counted by pipeline_failures; checks is not measured on them",
        ),
    ],
)
def test_an_alert_on_runs_may_name_pipelines(tmp_path, when, pipelines, wrong):
    text = "pipelines: [{name: nightly, stages: [{name: a, run: materialize}]}]\n"
    text += f"alerts: [{{name: a, when: {when}, severity: info, notify: [ops], pipelines: {pipelines}}}]\n"
    text += "notifiers: [{name: ops, email: ops@example.com}]\n"
    write_repo(tmp_path, {"alerts.yaml": text})
    repo = load_repo(tmp_path, None)
    assert [problem.message for problem in repo.problems] == ([wrong] if wrong else [])
    if not wrong:
        assert repo.alerts["a"].pipelines == (pipelines.strip('[]"'),)


def test_a_notifier_that_an_alert_names_twice_is_told_once(tmp_path):
    text = "alerts: [{name: a, when: checks > 0, severity: info, notify: [ops, boss, ops]}]\n"
    text += "notifiers: [{name: ops, email: ops@example.com}, {name: boss, email: boss@example.com}]\n"
    write_repo(tmp_path, {"alerts.yaml": text})
    assert load_repo(tmp_path, None).alerts["a"].notify == ("ops", "boss")


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("freshness > 24h in 5m", "freshness is an age at one moment, and has no `in`"),
        ("error_rate > 5", "nothing passes 5; five percent are 5% or 0.05"),
        ("skew > 150%", "nothing passes 1.5"),
        ("ks >= 2", "nothing passes 2"),
    ],
)
def test_a_condition_of_which_a_part_does_nothing_is_refused_at_its_place(tmp_path, when, told):
    text = f"""
notifiers: [{{name: ops, command: tell}}]
alerts:
  - {{name: a, when: {when}, severity: info, notify: [ops]}}
"""
    write_repo(tmp_path, {"alerts.yaml": text})
    (problem,) = load_repo(tmp_path, None).problems
    assert (problem.code, problem.place.line, problem.place.column) == ("FC104", 4, 21)
    assert told in problem.message


@pytest.mark.parametrize("when", ["error_rate > 1", "null_rate > 100%", "psi > 3", "wasserstein > 40", "checks > 5"])
def test_a_value_that_can_be_reached_is_allowed(tmp_path, when):
    text = (
        f"notifiers: [{{name: o, command: tell}}]\nalerts: [{{name: a, when: {when}, severity: info, notify: [o]}}]\n"
    )
    write_repo(tmp_path, {"alerts.yaml": text})
    assert load_repo(tmp_path, None).problems == ()


@pytest.mark.parametrize(
    ("way", "address", "told"),
    [
        ("slack", "ops-channel", "the address of slack is no http or https URL"),
        ("slack", "hooks.slack.com/services/T0/B0/${HOOK}", "the address of slack is no http or https URL"),
        ("webhook", "ftp://host/x", "the address of webhook is no http or https URL"),
        ("webhook", "https:///x", "the address of webhook is no http or https URL"),
        ("email", "ops", "the address of email has no @"),
        ("command", "tell 'ops", "no command: No closing quotation"),
        ("command", " # tell", ""),
    ],
)
def test_an_address_to_which_nothing_can_be_sent_is_refused_at_its_place(tmp_path, way, address, told):
    write_repo(tmp_path, {"alerts.yaml": f'notifiers:\n  - name: ops\n    {way}: "{address}"\n'})
    problems = load_repo(tmp_path, None).problems
    assert [(p.code, p.place.line, p.message) for p in problems] == ([("FC104", 3, told)] if told else [])


@pytest.mark.parametrize(
    "address", ["${HOOK}", "https://${HOST}/x", "${SCHEME:-https}://x", "http://user:pw@[::1]:80/"]
)
def test_an_address_that_a_variable_decides_is_left_to_the_sending(tmp_path, address):
    write_repo(tmp_path, {"alerts.yaml": f'notifiers:\n  - name: ops\n    webhook: "{address}"\n'})
    assert load_repo(tmp_path, None).problems == ()
