"""What has one cause is one message, one incident and one end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update

from featurectl.language.definitions.about import Freshness
from featurectl.monitor.alerts.data_metrics import FailureCount, FeatureFigure
from featurectl.monitor.alerts.deliver import Deliverer
from featurectl.monitor.alerts.measure import ViewAge
from featurectl.monitor.alerts.observation import RootCause
from featurectl.registry import tables
from featurectl.registry.alert_state import Silence
from tests.monitor.alerts.town import HOUR_US, T0, Town, alert, look, subjects

STALE = 25 * HOUR_US
ALL_STALE = {(f"v{number}", 1): STALE for number in range(6)}
OF_ORDERS = dict.fromkeys([f"v{number}" for number in range(6)], "source:orders")


def messages(ledger):
    """Return of each message its kind, what it is about, and the names of its subjects."""
    found = [delivery.message for delivery in ledger.load_deliveries()]
    return [(m["kind"], m["subject"], [s["name"].removeprefix("view:") for s in m["subjects"]]) for m in found]


def test_six_views_of_a_source_that_stopped_are_one_message_and_one_end(ledger):
    town, one = Town(aged=ALL_STALE | {("v3", 1): 26 * HOUR_US}, causes=OF_ORDERS), alert("freshness > 24h")
    assert look(ledger, town, one) == {"source:orders": ("firing", ["firing"])}
    six = ["v3@1", *(f"v{number}@1" for number in (0, 1, 2, 4, 5))]  # the worst first
    assert messages(ledger) == [("firing", "source:orders", six)]
    (told,) = (delivery.message for delivery in ledger.load_deliveries())
    assert (told["value"], told["cause"]) == ("26 h", "the source of v3 stopped")
    assert told["look"] == "featurectl why v3@1 --env prod"
    assert told["subjects"][1] == {
        "name": "view:v0@1", "value": "25 h", "measured": 90_000.0, "cause": "the source of v0 stopped",
    }  # fmt: skip
    town.aged = dict.fromkeys(ALL_STALE, 0)
    found = look(ledger, town, one, minutes=1)
    assert found["source:orders"] == ("resolved", ["resolved"])
    assert [kind for kind, *_ in messages(ledger)] == ["firing", "resolved"]
    assert sorted(messages(ledger)[1][2]) == sorted(six)


def test_who_joins_a_cause_or_leaves_it_is_in_the_next_repeat(ledger):
    aged = {("v0", 1): STALE, ("v1", 1): 0, ("v2", 1): 0}
    town, one = Town(aged=aged, causes=OF_ORDERS), alert("freshness > 24h", repeat_us=HOUR_US)
    look(ledger, town, one)
    for minutes, late in ((1, (0, 1)), (2, (1,)), (3, (1, 2))):
        town.aged = {pair: STALE if int(pair[0][1]) in late else 0 for pair in aged}
        assert look(ledger, town, one, minutes=minutes)["source:orders"] == ("firing", [])
        assert subjects(ledger)["source:orders"] == [f"view:v{number}@1" for number in late]
    settle_all(ledger)
    assert look(ledger, town, one, minutes=60)["source:orders"] == ("firing", ["repeat"])
    assert messages(ledger)[-1] == ("repeat", "source:orders", ["v1@1", "v2@1"])


def settle_all(ledger):
    while (claimed := ledger.claim(60)) is not None:
        ledger.settle(replace(claimed, state="sent"))


def test_what_is_late_stays_with_the_cause_by_which_it_became_late(ledger):
    town, one = Town(aged=ALL_STALE, causes=OF_ORDERS), alert("freshness > 24h")
    look(ledger, town, one)
    town.causes = {}  # the source is back, and no view has read it yet
    assert look(ledger, town, one, minutes=1) == {"source:orders": ("firing", [])}
    town.aged = {("v0", 1): 0, ("v1", 1): STALE}
    assert look(ledger, town, one, minutes=2)["source:orders"] == ("firing", [])
    town.aged = {("v0", 1): STALE, ("v1", 1): STALE}  # anew, and by itself
    assert look(ledger, town, one, minutes=3) == {
        "source:orders": ("firing", []), "view:v0@1": ("firing", ["firing"]),
    }  # fmt: skip


def test_checks_of_two_sources_are_two_causes_and_each_ends_by_itself(ledger):
    def failing(view, *of):
        root_causes = tuple(RootCause(name=name, text=f"{name} fails") for name in of)
        return FailureCount(view=view, version=1, count=len(of), cause="; ".join(of), root_causes=root_causes)

    aged, both = {("v0", 1): 0, ("v1", 1): 0}, ("source:orders", "source:items")
    town, one = Town(aged=aged, failed=[failing("v0", *both), failing("v1", "source:orders")]), alert("checks > 0")
    assert look(ledger, town, one) == {
        "source:orders": ("firing", ["firing"]), "source:items": ("firing", ["firing"]),
    }  # fmt: skip
    assert sorted(messages(ledger)) == [
        ("firing", "source:items", ["v0@1"]), ("firing", "source:orders", ["v0@1", "v1@1"]),
    ]  # fmt: skip
    assert {d.message["cause"] for d in ledger.load_deliveries()} == {"source:orders fails", "source:items fails"}
    town.failed = [failing("v0", "source:items"), failing("v1")]
    found = look(ledger, town, one, minutes=1)
    assert (found["source:orders"], found["source:items"]) == (("resolved", ["resolved"]), ("firing", []))


def test_features_of_a_model_are_one_cause_with_the_worst_first(ledger):
    drifted = [FeatureFigure(feature=n, value=v, cause=f"feature {n}") for n, v in (("x", 0.3), ("y", 0.9), ("", 0.5))]
    town, one = Town(drifted={"late": drifted, "churn": drifted[:1]}), alert("psi > 0.2")
    assert look(ledger, town, one) == {"model:late": ("firing", ["firing"]), "model:churn": ("firing", ["firing"])}
    of_late = next(m.message for m in ledger.load_deliveries() if m.root_cause == "model:late")
    assert [s["name"] for s in of_late["subjects"]] == ["model:late:y", "model:late", "model:late:x"]
    assert (of_late["value"], of_late["cause"]) == ("0.9", "feature y")


def test_a_silence_of_one_subject_leaves_it_out_and_of_the_cause_all(ledger):
    town, one = Town(aged=ALL_STALE, causes=OF_ORDERS), alert("freshness > 24h", repeat_us=HOUR_US)
    until = T0 + timedelta(hours=2)
    ledger.write_silence(Silence(id="v", alert="*", subject="view:v[0-3]@*", until=until, who="ana", created_at=T0))
    look(ledger, town, one)
    settle_all(ledger)
    assert ledger.load_deliveries(["sent"])[0].subjects == ("view:v4@1", "view:v5@1")
    ledger.write_silence(Silence(id="o", alert="*", subject="source:*", until=until, who="ana", created_at=T0))
    assert look(ledger, town, one, minutes=60)["source:orders"] == ("firing", [])
    assert look(ledger, town, one, minutes=120)["source:orders"] == ("firing", ["repeat"])
    assert len(messages(ledger)[-1][2]) == 6


def test_where_every_subject_is_silenced_nobody_is_told_until_one_is_not(ledger):
    town, one = Town(aged=ALL_STALE, causes=OF_ORDERS), alert("freshness > 24h")
    until = T0 + timedelta(hours=2)
    ledger.write_silence(Silence(id="v", alert="*", subject="view:*", until=until, who="ana", created_at=T0))
    assert look(ledger, town, one) == {"source:orders": ("firing", [])}
    town.aged = dict.fromkeys(ALL_STALE, 0)
    assert look(ledger, town, one, minutes=1)["source:orders"] == ("resolved", [])
    town.aged = ALL_STALE
    assert look(ledger, town, one, minutes=120)["source:orders"] == ("firing", ["firing"])
    ledger.write_silence(
        Silence(id="w", alert="*", subject="view:*", until=until + timedelta(hours=2), who="ana", created_at=T0)
    )
    town.aged = dict.fromkeys(ALL_STALE, 0)
    settle_all(ledger)
    assert look(ledger, town, one, minutes=121)["source:orders"] == ("resolved", [])
    assert look(ledger, town, one, minutes=240)["source:orders"] == ("resolved", ["resolved"])


def test_what_an_older_version_fired_goes_on_and_ends_with_its_key(ledger):
    """As a registry has it that was written before causes: a state and a message for each subject."""
    town, one = Town(aged={("spend", 1): STALE}, causes={"spend": "source:orders"}), alert("freshness > 24h")
    look(ledger, town, one)
    _age_documents(ledger)
    taken = []
    list(Deliverer(ledger=ledger, now=T0, open_notifier=lambda _: Channel(taken)).deliver())
    assert [(m.subject, m.kind, m.title) for m in taken] == [
        ("view:spend@1", "firing", "FIRING critical: a (view:spend@1) in prod")
    ]
    assert look(ledger, town, one, minutes=1) == {"view:spend@1": ("firing", [])}
    town.aged = {("spend", 1): 0}
    assert look(ledger, town, one, minutes=2)["view:spend@1"] == ("resolved", ["resolved"])
    every = ledger.load_deliveries(["sent", "waiting"])
    assert [d.message["key"] for d in every] == ["featurectl/shop/prod/a/view:spend@1/1/2026-11-24T12:00:00Z"] * 2


class Channel:
    """Takes every message."""

    def __init__(self, taken):
        self.taken = taken

    def send(self, message):
        self.taken.append(message)
        return "ok"


def _age_documents(ledger):
    """Write the documents of a ledger as the version before causes did."""
    states, rows = tables.alert_states, tables.deliveries
    with ledger._database.writing() as connection:  # noqa: SLF001  # no caller can
        for table in (states, rows):
            for row in connection.execute(select(table)).mappings().all():
                old = json.loads(row["document"].replace("source:orders", "view:spend@1"))
                old.pop("subjects")
                if table is rows:
                    old["message"].pop("subjects")
                    old["message"]["schema_version"] = 1
                changes = {"document": json.dumps(old)} | (
                    {"subject": "view:spend@1"} if table is states else {"id": old["id"]}
                )
                connection.execute(update(table).values(changes))


def test_an_age_is_compared_with_each_view_s_and_feature_s_sla(ledger):
    def aged(hours, error=""):
        slas = {"fast": Freshness(error_after_us=2 * HOUR_US), "slow": Freshness(error_after_us=90 * HOUR_US)}
        slas["none"] = Freshness()
        age = None if error else hours * HOUR_US
        of_view = Freshness(error_after_us=24 * HOUR_US)
        return ViewAge(view="spend", version=1, age_us=age, error=error, freshness=of_view, own_freshness=slas)

    town, one = Town(aged={("spend", 1): 0, ("plain", 1): 0}), alert("freshness > error_after")
    for minutes, (hours, error, state, names) in enumerate(
        [
            (2, "", "", []),
            (3, "", "firing", ["fast"]),
            (25, "", "firing", ["", "fast"]),
            (25, "gone", "firing", ["", "fast"]),
            (91, "", "firing", ["", "fast", "slow"]),
            (1, "", "resolved", ["", "fast", "slow"]),
        ]
    ):
        of = {"spend": aged(hours, error), "plain": ViewAge(view="plain", version=1, age_us=99 * HOUR_US)}
        town.ages = lambda views, of=of: [of[view] for view, _ in views]
        found = look(ledger, town, one, minutes=minutes)
        assert found.get("view:spend@1", ("", []))[0] in (state, "ok"[: 2 * (not state)])
        assert subjects(ledger).get("view:spend@1", []) == [f"view:spend@1:{n}".removesuffix(":") for n in names]
    assert [(kind, len(names)) for kind, _, names in messages(ledger)] == [("firing", 1), ("resolved", 3)]
