"""Alerts on a world of their own: observations, states and messages together."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.alerts import Condition
from featurectl.monitor.alerts.all_metrics import observe
from featurectl.monitor.alerts.data_metrics import FailureCount, FeatureFigure
from featurectl.monitor.alerts.evaluate import AlertEvaluator
from featurectl.monitor.alerts.evaluation_run import EvaluationRun
from featurectl.registry.alert_state import Silence
from featurectl.registry.sql import SqlRegistry
from featurectl.render.alerts import render_evaluation_run
from tests.monitor.alerts.town import HOUR_US, PLACE, T0, Town, alert, given_or_raised, look, requests, subjects, values


def test_views_are_chosen_by_name_pattern_and_the_models_that_read_them():
    def subjects(**more):
        return sorted(values(observe(alert("freshness > 24h", **more), Town())))

    every = ["view:spend@1", "view:spend@2", "view:visits@1"]
    assert subjects() == subjects(views=("*",)) == every
    assert subjects(views=("sp*",)) == every[:2]
    assert subjects(models=("churn",)) == every[2:]
    assert subjects(views=("spend",), models=("ch*",)) == every


def test_models_are_chosen_by_name_pattern_and_the_views_that_they_read():
    def subjects(**more):
        town = Town()
        observe(alert("latency_p95 > 1s in 10m", **more), town)
        assert all(length == timedelta(minutes=10) for _, length in town.asked)
        return [model for model, _ in town.asked]

    assert subjects() == ["churn", "late"]
    assert subjects(models=("late",)) == subjects(views=("spend",)) == ["late"]


def test_the_cause_is_looked_for_only_where_the_condition_holds():
    town = Town(aged={("spend", 1): 25 * HOUR_US, ("visits", 1): HOUR_US, ("lost", 1): "not pushed"})
    found = {o.subject: (o.value, o.cause, o.error) for o in observe(alert("freshness > 24h"), town).observations}
    assert found == {
        "view:spend@1": (25.0 * HOUR_US, "the source of spend stopped", ""),
        "view:visits@1": (1.0 * HOUR_US, "", ""),
        "view:lost@1": (None, "", "not pushed"),
    }


def test_requests_are_measured_for_each_model_and_the_store_once():
    rows = [(10.0, False, False, None), (30.0, True, False, "no score"), (20.0, False, True, "the online store")]
    town = Town(logged={"late": requests(*rows), "churn": requests(rows[2])})
    assert values(observe(alert("latency_p50 > 1ms"), town)) == {"model:churn": 20_000.0, "model:late": 20_000.0}
    assert values(observe(alert("error_rate > 1%"), town)) == {"model:churn": 0.0, "model:late": pytest.approx(1 / 3)}
    (store,) = observe(alert("store_errors > 1"), town).observations
    assert (store.subject, store.value, store.cause) == ("store:prod", 2.0, "of 4 requests; the last: the online store")


def test_an_error_of_one_subject_spares_others_and_a_lost_store_differs():
    gone, bad = StoreError("gone"), DataError("bad")
    town = Town(drifted={"late": [FeatureFigure(feature="x", value=0.3, cause="c")], "churn": bad}, failed=gone)
    assert values(observe(alert("psi > 0.2"), town)) == {"model:late:x": 0.3, "model:churn": "bad"}
    found = observe(alert("checks > 0", views=("visits",)), town).observations
    assert [(o.subject, o.error, o.unreachable) for o in found] == [("view:visits@1", "gone", True)]
    (store,) = observe(alert("store_errors > 0"), Town(logged={"late": gone})).observations
    assert (store.error, store.unreachable) == ("gone", True)


def test_of_versions_served_together_the_worst_counts_and_is_the_models():
    measured = [FeatureFigure(feature="x", value=v, cause=str(v)) for v in (0.1, 0.4, 0.2)]
    town = Town(drifted={"late": [*measured, FeatureFigure(feature="", value=0.5, cause="")]})
    assert values(observe(alert("skew > 1%", models=("late",)), town)) == {"model:late:x": 0.4, "model:late": 0.5}


def test_a_model_without_a_champion_has_nothing_to_compare():
    town = Town(drifted={"late": [FeatureFigure(feature="x", value=0.3, cause="")]}, trained=("late",))
    assert (
        values(observe(alert("psi > 0.2"), town)) == values(observe(alert("skew > 1%"), town)) == {"model:late:x": 0.3}
    )


def test_checks_are_those_of_the_views_that_have_run():
    town = Town(failed=[FailureCount(view="spend", version=2, count=1, cause="orders: not_null"),
                        FailureCount(view="other", version=1, count=9, cause="")])  # fmt: skip
    assert values(observe(alert("checks > 0"), town)) == {"view:spend@2": 1.0}


def test_failed_runs_are_those_of_a_day_unless_the_alert_says_how_long(ledger):
    town, one = (
        Town(ran=[FailureCount(view="visits", version=1, count=2, cause="2 of 3 runs failed")]),
        "pipeline_failures",
    )
    assert values(observe(alert(f"{one} > 0 in 6h"), town)) == {"view:visits@1": 2.0}
    assert look(ledger, town, alert(f"{one} > 0")) == {"view:visits@1": ("firing", ["firing"])}
    assert town.asked == [T0 - timedelta(hours=6), T0 - timedelta(days=1)]
    (message,) = (delivery.message for delivery in ledger.load_deliveries())
    assert (message["value"], message["cause"]) == ("2", "2 of 3 runs failed")
    assert message["look"] == "featurectl why visits@1 --env prod"
    town.ran = ()
    assert look(ledger, town, alert(f"{one} > 0"), minutes=1) == {"view:visits@1": ("firing", [])}
    town.ran = [FailureCount(view="visits", version=1, count=0, cause="")]
    assert look(ledger, town, alert(f"{one} > 0"), minutes=2) == {"view:visits@1": ("resolved", ["resolved"])}


def test_failed_runs_of_pipelines_are_those_that_an_alert_names(ledger):
    failed = (2, "the run of 03:00 failed; score: no disk")
    town = Town(
        pipelines={"nightly": failed, "hourly": (0, ""), "weekly": None, "gone": StoreError("no answer", code="FC603")},
        ran=[FailureCount(view="visits", version=1, count=2, cause="")],
    )
    assert values(observe(alert("pipeline_failures > 0"), town)) == {"view:visits@1": 2.0}
    of_all = alert("pipeline_failures > 0", pipelines=("*",))
    seen = observe(of_all, town)
    assert values(seen) == {"pipeline:nightly": 2.0, "pipeline:hourly": 0.0, "pipeline:gone": "no answer"}
    assert seen.watched == {f"pipeline:{name}" for name in town.pipelines}
    both = alert("pipeline_failures > 0", pipelines=("night*",), views=("visits",))
    assert values(observe(both, town)) == {"view:visits@1": 2.0, "pipeline:nightly": 2.0}
    one = alert("pipeline_failures > 0", pipelines=("nightly",))
    assert look(ledger, town, one) == {"pipeline:nightly": ("firing", ["firing"])}
    (message,) = (delivery.message for delivery in ledger.load_deliveries())
    assert (message["subject"], message["cause"]) == ("pipeline:nightly", failed[1])
    assert message["look"] == "featurectl pipeline show nightly --env prod"
    town.pipelines = {"nightly": None}
    assert look(ledger, town, one, minutes=1) == {"pipeline:nightly": ("firing", [])}
    town.pipelines = {"nightly": (0, "")}
    assert look(ledger, town, one, minutes=2) == {"pipeline:nightly": ("resolved", ["resolved"])}


def test_states_move_and_messages_are_written_with_them(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h", for_us=HOUR_US)
    assert look(ledger, town, one) == {"view:spend@1": ("pending", [])}
    assert look(ledger, town, one, minutes=60) == {"view:spend@1": ("firing", ["firing"])}
    town.aged = {("spend", 1): HOUR_US}
    assert look(ledger, town, one, minutes=61) == {"view:spend@1": ("resolved", ["resolved"])}
    first, last = ledger.load_deliveries()
    message = first.message
    assert {key: message[key] for key in ("value", "condition", "cause", "since", "at", "look", "environment")} == {
        "value": "25 h", "condition": "freshness > 1d", "cause": "the source of spend stopped",
        "since": "2026-11-24T12:00:00Z", "at": "2026-11-24T13:00:00Z", "look": "featurectl why spend@1 --env prod",
        "environment": "prod",
    }  # fmt: skip
    assert message["key"] == last.message["key"] == "featurectl/shop/prod/a/view:spend@1/1/2026-11-24T13:00:00Z"
    assert first.id != last.id
    assert last.message["since"] == message["since"]


def test_looking_alone_writes_nothing(ledger):
    town = Town(aged={("spend", 1): 25 * HOUR_US})
    assert look(ledger, town, alert("freshness > 24h"), dry=True) == {"view:spend@1": ("firing", ["firing"])}
    assert (ledger.load_states(), ledger.load_deliveries()) == ([], [])


def test_what_goes_on_as_it_was_writes_nothing(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US, ("visits", 1): 0}), alert("freshness > 24h")
    look(ledger, town, one)
    before = ledger.load_states()
    town.aged = {("spend", 1): 26 * HOUR_US, ("visits", 1): 1}
    look(ledger, town, one, minutes=1)
    assert ledger.load_states() == before
    assert [state.root_cause for state in before] == ["view:spend@1"]


def test_what_is_not_watched_any_more_is_resolved_and_the_unseen_is_not(ledger):
    drifted = [FeatureFigure(feature=name, value=0.3, cause="c") for name in ("x", "y")]
    town, one = Town(drifted={"late": drifted}), alert("psi > 0.2", models=("late",))
    look(ledger, town, one)
    town.drifted = {"late": StoreError("gone")}
    assert look(ledger, town, one, minutes=1) == {"model:late": ("firing", [])}
    assert subjects(ledger) == {"model:late": ["model:late:x", "model:late:y"]}
    town.drifted = {"late": []}
    assert look(ledger, town, one, minutes=2)["model:late"] == ("firing", [])
    town.drifted = {"late": drifted[:1]}  # the new version has no y
    assert look(ledger, town, one, minutes=3)["model:late"] == ("firing", [])
    assert subjects(ledger) == {"model:late": ["model:late:x"]}
    assert look(ledger, town, minutes=4) == {"model:late": ("resolved", ["resolved"])}  # the alert itself is gone
    last = ledger.load_deliveries()[-1].message
    assert (last["severity"], last["condition"], last["cause"]) == ("critical", "psi > 0.2", "it is no longer watched")


def test_a_silence_keeps_messages_back_until_it_is_over(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h")
    until = T0 + timedelta(minutes=30)
    ledger.write_silence(Silence(id="s", alert="?", subject="view:*", until=until, who="ana", created_at=T0))
    assert look(ledger, town, one) == {"view:spend@1": ("firing", [])}
    assert look(ledger, town, one, minutes=29) == {"view:spend@1": ("firing", [])}
    assert look(ledger, town, one, minutes=30) == {"view:spend@1": ("firing", ["firing"])}


def test_monitors_that_look_at_once_cause_each_message_once(tmp_path):
    url, start = f"sqlite:///{tmp_path}/r.db", threading.Barrier(3)
    aged = {(f"v{number}", 1): 25 * HOUR_US for number in range(8)}

    def run():
        registry = SqlRegistry(url)
        start.wait()
        for minute in range(3):
            look(registry.alerts("shop", "prod"), Town(aged=aged), alert("freshness > 24h"), minutes=minute)
        registry.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = SqlRegistry(url).alerts("shop", "prod").load_deliveries()
    assert sorted(d.root_cause for d in told) == sorted(f"view:v{n}@1" for n in range(8))


def test_a_look_that_took_long_does_not_undo_what_another_saw_later(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h")
    nothing = ledger.load_states()
    assert look(ledger, town, one, minutes=2) == {"view:spend@1": ("firing", ["firing"])}
    firing = ledger.load_states()
    town.aged = {("spend", 1): 0}
    assert look(ledger, town, one, minutes=3) == {"view:spend@1": ("resolved", ["resolved"])}
    town.aged = {("spend", 1): 25 * HOUR_US}  # as it was seen before that
    assert look(ledger, town, one, minutes=1, known=nothing) == {"view:spend@1": ("resolved", [])}
    look(ledger, town, one, minutes=1, known=firing)
    assert [(s.status, s.incident) for s in ledger.load_states()] == [("resolved", 1)]
    assert look(ledger, town, one, minutes=4, known=nothing) == {"view:spend@1": ("firing", ["firing"])}
    assert [d.kind for d in ledger.load_deliveries()] == ["firing", "resolved", "firing"]


def test_a_look_at_the_past_leaves_what_was_seen_later(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US, ("visits", 1): 0}), alert("freshness > 24h")
    look(ledger, town, one, minutes=10)
    firing = ledger.load_states()
    town.aged = {("spend", 1): 0, ("visits", 1): 25 * HOUR_US}
    found = look(ledger, town, one, minutes=9, past=True)
    assert found == {"view:spend@1": ("firing", []), "view:visits@1": ("firing", ["firing"])}
    assert look(ledger, town, minutes=9, past=True)["view:spend@1"] == ("firing", [])  # the alert is gone, then
    assert ledger.load_states()[0] == firing[0]
    assert look(ledger, town, one, minutes=9)["view:spend@1"] == ("resolved", ["resolved"])  # the clock was ahead
    assert look(ledger, town, one, minutes=10, past=True)["view:spend@1"] == ("resolved", [])


def test_incidents_of_a_registry_that_was_lost_have_other_keys(tmp_path):
    town, one, keys = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h"), set()
    for minute, name in enumerate(("lost", "new")):
        alerts = SqlRegistry(f"sqlite:///{tmp_path}/{name}.db").alerts("shop", "prod")
        look(alerts, town, one, minutes=minute)
        town.aged = {("spend", 1): 0}
        look(alerts, town, one, minutes=minute)
        town.aged = {("spend", 1): 25 * HOUR_US}
        keys |= {delivery.message["key"] for delivery in alerts.load_deliveries()}
    assert len(keys) == 2


def test_an_incident_that_ends_unreported_in_a_silence_is_not_reported(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h", repeat_us=60_000_000)
    look(ledger, town, one)  # the monitor is killed before it sends
    look(ledger, town, one, minutes=1)
    (waiting,) = ledger.load_deliveries()
    assert waiting.kind == "firing"  # to repeat what was not told yet says nothing
    until = T0 + timedelta(minutes=30)
    ledger.write_silence(Silence(id="s", alert="*", until=until, who="ana", created_at=T0))
    assert look(ledger, town, one, minutes=2) == {"view:spend@1": ("firing", [])}
    assert ledger.load_deliveries() == [waiting]
    town.aged = {("spend", 1): 0}
    assert look(ledger, town, one, minutes=3) == {"view:spend@1": ("resolved", [])}
    assert (ledger.load_deliveries(), ledger.load_states()[0].notified) == ([], {})
    assert look(ledger, town, one, minutes=30) == {"view:spend@1": ("resolved", [])}


def test_what_was_tried_before_a_silence_is_reported_to_its_end(ledger):
    town, one = Town(aged={("spend", 1): 25 * HOUR_US}), alert("freshness > 24h")
    look(ledger, town, one)
    tried = ledger.claim(1)
    ledger.settle(replace(tried, attempts=1, error="timed out"))
    until = T0 + timedelta(minutes=30)
    ledger.write_silence(Silence(id="s", alert="*", until=until, who="ana", created_at=T0))
    town.aged = {("spend", 1): 0}
    look(ledger, town, one, minutes=3)
    assert look(ledger, town, one, minutes=30) == {"view:spend@1": ("resolved", ["resolved"])}
    assert [d.kind for d in ledger.load_deliveries()] == ["firing", "resolved"]


def test_a_cause_with_bytes_that_are_no_letters_is_told_all_the_same(ledger):
    drifted = [FeatureFigure(feature="x", value=1.0, cause="file \udcff.csv")]
    look(ledger, Town(drifted={"late": drifted}), alert("psi > 0.2", models=("late",)))
    (told,) = ledger.load_deliveries()
    assert told.message["cause"] == "file \\udcff.csv"


def test_a_figure_that_is_no_number_of_json_is_told_in_words_alone(ledger):
    drifted = [FeatureFigure(feature="x", value=float("inf"), cause="c")]
    look(ledger, Town(drifted={"late": drifted}), alert("wasserstein > 1", models=("late",)))
    (told,) = ledger.load_deliveries()
    assert (told.message["measured"], told.message["value"]) == (None, "inf")


@pytest.mark.parametrize(
    ("op", "held"), [("<", [1]), ("<=", [1, 2]), (">", [3]), (">=", [2, 3]), ("=", [2]), ("!=", [1, 3])]
)
def test_a_value_is_compared_as_the_condition_says(ledger, op, held):
    town = Town(aged={(f"v{age}", 1): age for age in (1, 2, 3)})
    one = replace(alert("freshness > 1d"), when=Condition(metric="freshness", op=op, value=2))
    found = look(ledger, town, one)
    assert [s for s, (status, _) in found.items() if status == "firing"] == [f"view:v{age}@1" for age in held]


@pytest.mark.parametrize("fault", [RecursionError("too deep"), MemoryError(), TypeError("s3cret")])
@pytest.mark.usefixtures("ledger")
def test_a_fault_in_measuring_one_alert_leaves_the_others_seen(fault):
    town = Town(aged={("spend", 1): 25 * HOUR_US}, failed=fault, ran=fault, logged={"late": fault, "churn": fault})
    named = [alert("pipeline_failures > 0", "runs"), alert("checks > 0", "checks"), alert("latency_p95 > 1s", "slow")]
    for item in (*named, alert("store_errors > 0", "store")):
        found = observe(item, town).observations
        assert found
        assert all(type(fault).__name__ in o.error and "s3cret" not in o.error and o.fault is fault for o in found)
    town.behind = lambda _aged: given_or_raised(fault)
    (late,) = observe(alert("freshness > 24h"), town).observations
    assert (late.value, late.error) == (25 * HOUR_US, "")
    assert (type(fault).__name__ in late.cause, "s3cret" in late.cause, late.fault) == (True, False, fault)


def test_what_nothing_is_measured_of_is_shown_so_with_the_reason(ledger):
    slow = alert("latency_p99 > 100ms", models=("late", "churn"))
    town = Town(logged={"late": requests((10.0, False, False, None))})
    evaluator = AlertEvaluator(ledger=ledger, place=PLACE, now=T0, dry=True)
    looked = evaluator.look({"a": slow}, {"a": observe(slow, town)})
    shown = render_evaluation_run(EvaluationRun(alerts={"a": slow}, evaluations=looked), dry=True, verbose=True)
    rows = {line.split()[1]: line.split(None, 2)[2] for line in shown.splitlines() if "model:" in line}
    assert rows["model:late"].startswith("ok ")
    assert rows["model:churn"].startswith("not measured")
    assert rows["model:churn"].endswith("of 0 requests")
    assert shown.splitlines()[-1] == "1 alert with 2 subjects: 0 firing, 1 ok, 1 not measured."
