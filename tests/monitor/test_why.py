"""What `why` says is wrong first, and the page that it prints."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.units import HOUR_US
from featurectl.language.definitions.about import Freshness
from featurectl.monitor.checks import CheckHistory, CheckResultAt
from featurectl.monitor.explain_view import EntityValues, cause_of_values
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.value_history import Changed, EntityHistory
from featurectl.monitor.why import Chain, ChainLink, cause_of, verdict_of
from featurectl.offline.runs import CheckRecord, RunRecord
from featurectl.online.read import Answer, FeatureValue
from featurectl.render.why import _changed, render_why, why_json
from tests.cli.golden import assert_golden
from tests.cli.shop import PROJECT

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def hours(number):
    return NOW - timedelta(hours=number)


FRESH = Chain(
    now=NOW,
    row=FreshnessRow(
        kind="view", name="spend", verdict="OK", freshness=Freshness(error_after_us=6 * HOUR_US), version=2
    ),
    sources=(ChainLink(kind="source", name="orders", newest_available=hours(1), verdict="OK"),),
    table=ChainLink(kind="table", name="spend@2", newest_available=hours(1), computed_at=hours(0), version=7),
    online=ChainLink(kind="online", name="spend@2", newest_available=hours(1), computed_at=hours(0), version=7),
    read={"orders": hours(1)},
)
STALE = replace(FRESH, row=replace(FRESH.row, verdict="STALE", age_us=48 * HOUR_US))
RUN = RunRecord(
    at=NOW, now=hours(3), environment="dev", command="materialize", view="spend", version=2, action="append", rows=1,
    seconds=0.1,
)  # fmt: skip
FAILED = replace(RUN, now=hours(2), action="", error_code="FC504", error="column 'v' is wrong")
UNPUSHED = replace(RUN, now=hours(2), error_code="FC602", error="gone")
PUSHED = replace(RUN, now=hours(1), command="push", action="push")
NEVER = ChainLink(kind="source", name="orders", verdict="ERROR", error="no file matches orders.csv")


def answer(status):
    """What a store or a table says of an entity with one feature."""
    values = {"amount": FeatureValue(value=1.0 if status == "PRESENT" else None, status=status)}
    return Answer(version=2, values=values, asof=NOW, read_at=NOW, event_time=None, available_at=None, computed_at=None)


def changed_at(ago):
    return Changed(at=hours(ago), event_time=None, available_at=None, values={})


def chain(base=STALE, source=1, table=1, online=1, **others):
    """A chain whose links have rows of so many hours ago."""
    return replace(
        base,
        sources=(replace(base.sources[0], newest_available=hours(source)),),
        table=replace(base.table, newest_available=hours(table)),
        online=replace(base.online, newest_available=hours(online)),
        read={"orders": hours(table)},
        **others,
    )


CHECKED = CheckRecord(
    source_or_view="source orders", check="a unique", severity="error", failed=2, rows=9, passed=False
)
HISTORY = CheckHistory(
    of="source orders",
    label="a unique",
    severity="error",
    results=(CheckResultAt(now=hours(5), view="spend", version=2, result=CHECKED),),
)
TABLE_BEHIND = (
    "the offline table is behind: source orders has rows that became available until 2026-01-10 11:00, the table "
    "those until 2026-01-08 12:00: featurectl materialize spend"
)
STORE_BEHIND = (
    "the online store is behind: the offline table has rows that became available until 2026-01-10 11:00, the "
    "store values of those until 2026-01-08 12:00: featurectl push spend"
)
EMPTY = ChainLink(kind="source", name="orders", verdict="ERROR", error="no rows yet", missing=True)
CASES = {
    "nothing is wrong": (FRESH, ""),
    "an older row is no fault while the SLA holds": (chain(FRESH, source=1, table=2, online=3), ""),
    "a source that stopped": (
        chain(source=48, table=48, online=48),
        "source orders has had nothing new for 2 d: its newest row became available 2026-01-08 12:00",
    ),
    "a table that is behind": (
        chain(source=1, table=48, online=48),
        TABLE_BEHIND,
    ),
    "a store that is behind": (
        chain(source=1, table=1, online=48),
        STORE_BEHIND,
    ),
    "a source that is gone": (replace(STALE, sources=(NEVER,)),
                              "source orders can't be read: no file matches orders.csv"),
    "runs that fail": (
        chain(source=1, table=48, runs=(RUN, FAILED, replace(FAILED, now=hours(1)))),
        "materialize has failed since 2026-01-10 10:00 (2 times): FC504: column 'v' is wrong",
    ),
    "a run that has failed and was done since": (chain(FRESH, runs=(FAILED, replace(RUN, now=hours(1)))), ""),
    "a push that fails": (chain(FRESH, runs=(UNPUSHED,)), "materialize has failed since 2026-01-10 10:00: FC602: gone"),
    "a push that made up for it": (chain(FRESH, runs=(UNPUSHED, PUSHED)), ""),
    "a table that fails while what there is is pushed": (
        chain(FRESH, runs=(FAILED, PUSHED)),
        "materialize has failed since 2026-01-10 10:00: FC504: column 'v' is wrong",
    ),
    "a source without a row yet": (replace(FRESH, sources=(EMPTY,)),
                                   "source orders has no row that was known at 2026-01-10 12:00"),
    "a table that is not there": (
        replace(STALE, table=replace(STALE.table, missing=True)),
        "nothing was computed yet: featurectl materialize spend",
    ),
    "a store with nothing in it": (
        replace(STALE, online=replace(STALE.online, missing=True)),  # type: ignore[type-var]
        "nothing was pushed to the online store yet: featurectl push spend",
    ),
    "a store that is gone": (
        replace(STALE, row=replace(STALE.row, verdict="ERROR", error="it does not answer")),
        "spend@2: it does not answer",
    ),
    "a run that was killed": (
        chain(FRESH, runs=(replace(FAILED, error_code="", error="killed: process 7 is gone"),)),
        "materialize has failed since 2026-01-10 10:00: killed: process 7 is gone",
    ),
    "a run that still goes on": (chain(FRESH, runs=(RUN, replace(FAILED, error="", error_code="", state="unseen"))),
                                 ""),
    "a source that is late itself": (
        chain(replace(FRESH, sources=(replace(FRESH.sources[0], verdict="WARN"),)), source=5, table=5, online=5),
        "source orders has had nothing new for 5 h: its newest row became available 2026-01-10 07:00",
    ),
    "a check that failed": (
        chain(FRESH, checks=(HISTORY,)),
        'check "a unique" of source orders failed 2026-01-10 07:00: 2 of 9 rows',
    ),
    "a view that is offline only": (
        replace(chain(source=1, table=1), online=None),
        "source orders has had nothing new for 1 h: its newest row became available 2026-01-10 11:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_first_link_that_is_wrong_is_the_cause(name):
    given, cause = CASES[name]
    assert cause_of(given) == cause


@pytest.mark.parametrize("name", CASES)
def test_a_view_with_which_something_is_wrong_is_not_called_ok(name):
    given, cause = CASES[name]
    verdict = verdict_of(given, cause)
    assert (verdict == "OK") == (cause == "")
    assert f": {verdict}" in render_why(given, cause, "dev", None, whole=True).splitlines()[0]
    assert why_json(given, cause, None)["verdict"] == verdict


def test_what_is_only_warned_of_is_a_warning():
    warned = replace(HISTORY, severity="warn")
    late = CASES["a source that is late itself"][0]
    for checks, base, verdict in (((warned,), FRESH, "WARN"), ((HISTORY,), FRESH, "ERROR"), ((), late, "WARN")):
        given = replace(base, checks=checks)
        assert verdict_of(given, cause_of(given)) == verdict
    assert verdict_of(FRESH, "the online store has no row of customer=ana") == "ERROR"


OBJECTS = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: orders.csv
    event_time: at
    available_at: known
    columns: {customer: string, at: timestamp, known: timestamp, amount: float64}
    checks: [{column: amount, between: [0, 100], severity: warn}]
feature_views:
  - name: spend
    entity: customer
    source: orders
    freshness: {warn_after: 6h, error_after: 1d}
    aggregates: [{column: amount, op: sum, windows: [7d]}]
  - {name: last_order, entity: customer, source: orders, ttl: 2d, features: [amount]}
  - {name: total, source: orders, online: false, aggregates: [{op: count, windows: [7d]}]}
"""
ORDERS = """customer,at,known,amount
ana,2026-01-01T10:00:00Z,2026-01-01T10:05:00Z,1.25
ana,2026-01-02T10:00:00Z,2026-01-02T12:00:00Z,2.5
ben,2026-01-02T11:00:00Z,2026-01-02T11:05:00Z,400
"""


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """A repository of which nothing is materialized."""
    folder = tmp_path_factory.mktemp("applied")
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "orders.csv": ORDERS}.items():
        (folder / name).write_text(text)
    assert main(["apply", "-C", str(folder), "--auto-approve", "-q"]) == 0
    return folder


@pytest.fixture(scope="module")
def materialized(applied, tmp_path_factory):
    folder = shutil.copytree(applied, tmp_path_factory.mktemp("materialized") / "shop")
    assert main(["materialize", "-C", str(folder), "-q", "--as-of", "2026-01-02T13:00:00Z"]) == 0
    return folder


@pytest.fixture
def shop(materialized, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(materialized, tmp_path / "shop"))


@pytest.fixture
def why(shop, capsys):  # noqa: ARG001  # after this fixture
    """A function that returns the exit code and the page of `why`, without the real clock."""

    def ask(*words, as_of):
        capsys.readouterr()
        code = main(["why", "-q", *words, "--as-of", as_of])
        told = capsys.readouterr()
        lines = [line if " materialize  " not in line else line[: line.rindex("  ")] for line in told.out.splitlines()]
        return code, "\n".join(lines) + "\n" + told.err

    return ask


def test_the_page_of_a_view_that_stopped_for_48_hours(why):
    code, page = why("spend", "customer=ana", as_of="2026-01-04T12:00:00Z")
    assert code == 1
    assert_golden("why_stopped.txt", page)


def test_a_state_that_has_expired_online_says_so(why):
    code, page = why("last_order", "customer=ana", as_of="2026-01-04T12:00:00Z")
    assert code == 1  # a check failed
    assert "amount   null    EXPIRED  null EXPIRED" in page
    assert "2026-01-02 12:00  2026-01-02 10:00  amount 1.25 -> 2.5" in page


def test_a_page_with_instants_of_two_years_says_the_year_of_each():
    page = render_why(chain(FRESH, source=30 * 24), "", "dev", None, whole=True)
    assert " 2025-12-11 12:00  " in page
    assert not re.search(r" \d\d-\d\d ", page)


def test_a_view_without_a_key_and_offline_only(why):
    code, page = why("total", as_of="2026-01-02T14:00:00Z")
    assert "online store" not in page
    assert code == 1
    assert 'cause: check "amount between 0 and 100" of source orders failed' in page


def test_a_failed_check_in_a_run_of_another_view_is_not_this_ones(applied, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shutil.copytree(applied, tmp_path / "shop"))
    Path("orders.csv").write_text("\n".join(ORDERS.splitlines()[:3]) + "\n")
    assert main(["materialize", "spend", "-q", "--as-of", "2026-01-02T12:30:00Z"]) == 0
    Path("orders.csv").write_text(ORDERS)
    assert main(["materialize", "last_order", "-q", "--as-of", "2026-01-02T13:00:00Z"]) == 0
    capsys.readouterr()
    assert main(["why", "last_order", "-q", "--as-of", "2026-01-02T13:30:00Z"]) == 1
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert ": WARN" in first
    assert second.startswith('cause: check "amount between 0 and 100" of source orders failed 2026-01-02 13:00')
    assert main(["why", "spend", "-q", "--as-of", "2026-01-02T13:30:00Z"]) == 0
    page = capsys.readouterr().out
    assert page.splitlines()[1] == "nothing is wrong"
    assert "failed check" not in page


@pytest.mark.usefixtures("shop")
def test_what_a_person_gets_wrong_is_told(capsys):
    for words, told in {
        ("nope",): "no feature view 'nope' is applied",
        ("spent",): 'did you mean "spend"?',
        ("spend", "custom=ana"): 'did you mean "customer"?',
        ("spend@x",): "'spend@x' names no version",
        ("spend", "client=ana"): "no key 'client'",
        ("spend@7",): "no feature view 'spend@7' is applied",
    }.items():
        assert main(["why", *words]) == 64
        assert told in capsys.readouterr().err


@pytest.mark.usefixtures("shop")
def test_the_page_in_json_has_all_runs_and_the_values_history(capsys):
    Path("orders.csv").write_text(ORDERS + "ana,2026-01-03T10:00:00Z,2026-01-03T10:01:00Z,much\n")
    assert main(["materialize", "-q", "--as-of", "2026-01-03T13:00:00Z"]) == 1
    capsys.readouterr()
    assert main(["why", "spend", "customer=ana", "-o", "json", "--as-of", "2026-01-03T14:00:00Z"]) == 1
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["cause"].startswith("source orders can't be read: ")
    assert [(run["command"], run["action"], bool(run["error"])) for run in result["runs"]] == [
        ("materialize", "first", False),
        ("materialize", None, True),
    ]
    assert [(c["known"], c["values"]) for c in result["entity"]["changes"]] == [
        ("2026-01-01T10:05:00Z", {"amount_sum_7d": 1.25}),
        ("2026-01-02T12:00:00Z", {"amount_sum_7d": 3.75}),
    ]
    assert result["entity"]["online"]["features"] == {"amount_sum_7d": {"value": 3.75, "status": "PRESENT"}}


@pytest.mark.usefixtures("shop")
def test_a_store_that_is_gone_leaves_the_rest_of_the_page(capsys):
    featurectl = Path("featurectl.yaml")
    featurectl.write_text(featurectl.read_text().replace("sqlite:///on.db", "redis://127.0.0.1:1/0"))
    assert main(["why", "last_order", "customer=ana", "-q", "--as-of", "2026-01-02T14:00:00Z"]) == 1
    page = capsys.readouterr().out
    assert "\nonline store   ERROR: " in page
    assert "2026-01-02 12:00  2026-01-02 10:00  amount 1.25 -> 2.5" in page


def test_before_anything_is_computed_it_says_what_to_run(applied, capsys):
    assert main(["why", "spend", "customer=ana", "-C", str(applied), "-q"]) == 1
    assert_golden("why_before.txt", capsys.readouterr().out)


def test_as_of_before_all_rows_no_age_is_negative(why):
    code, page = why("last_order", as_of="2025-06-01")
    assert code == 1
    assert "cause: source orders has no row that was known at 2025-06-01 00:00\n" in page
    assert page.count("of later than now") == 2
    assert "-2" not in page.replace("2026-01-02", "").replace("2025-06-01", "")
    code, page = why("last_order", as_of="2026-01-02T12:30:00Z")
    assert re.search(
        "offline table  2026-01-02 11:00  2026-01-02 12:00  - +2026-01-02 13:00  v0     of later than now", page
    )


def test_an_entity_that_nobody_knows_is_told(why):
    _, page = why("spend", "customer=zoe", as_of="2026-01-02T14:00:00Z")
    assert "\ncustomer=zoe\nonline: no row of it, computed 2026-01-02 13:00\noffline: no row of it\n" in page


def test_a_row_that_the_online_store_has_lost_or_cant_read_is_the_cause():
    history = EntityHistory(now=answer("PRESENT"), changes=(changed_at(3),), before={})
    asked = EntityValues(
        words=("customer=ana",), entity={"customer": "ana"}, history=history, online=answer("PRESENT"), error=""
    )
    assert not cause_of_values(asked, FRESH)
    lost = replace(asked, online=answer("NOT_FOUND"))
    assert cause_of_values(lost, FRESH) == (
        "the online store has no row of customer=ana, of which the offline table had values at the last push: "
        "featurectl verify --store spend"
    )
    assert cause_of_values(replace(asked, online=None, error="a row of 3 bytes"), FRESH) == (
        "customer=ana can't be read: a row of 3 bytes"
    )


@pytest.mark.parametrize(
    "history",
    [
        EntityHistory(now=answer("NULL"), changes=(changed_at(3),), before={}),
        EntityHistory(now=answer("EXPIRED"), changes=(changed_at(3),), before={}),
        EntityHistory(now=answer("NOT_FOUND"), changes=(), before={}),
        EntityHistory(now=answer("PRESENT"), changes=(changed_at(-1),), before={}),
    ],
)
def test_a_row_that_need_not_be_online_is_no_cause(history):
    values = EntityValues(
        words=("customer=ana",), entity={"customer": "ana"}, history=history, online=answer("NOT_FOUND"), error=""
    )
    assert not cause_of_values(values, FRESH)


def test_no_line_of_changes_is_wider_than_a_terminal_unless_all_are_wanted():
    before = {f"a_feature_{number}": float(number) for number in range(20)}
    after = {name: value + 0.1 + 1e-12 for name, value in before.items()} | {"a_feature_19": 19 + 1e-12}
    text = _changed(before, after, 52)
    assert text == "a_feature_0 0 -> 0.1, a_feature_1 1 -> 1.1 and 17 more"
    assert _changed(before, after, sys.maxsize).count(" -> ") == 19
    assert _changed(before, before, 52) == "no feature changed"


def test_a_disk_that_is_gone_is_no_table_that_was_never_made(why, capsys):
    shutil.move("off", "elsewhere")
    code, page = why("spend", "customer=ana", as_of="2026-01-02T14:00:00Z")
    assert (code, page.splitlines()[1]) == (1, "cause: spend@1: the offline folder off is not there")
    assert main(["status", "--as-of", "2026-01-02T14:00:00Z"]) == 1
    assert capsys.readouterr().out.count("ERROR  the offline folder off is not there\n") == 3
    assert main(["materialize", "spend", "--as-of", "2026-01-02T14:00:00Z"]) == 0  # makes it
    assert "warning" not in capsys.readouterr().err
    assert why("spend", as_of="2026-01-02T14:00:00Z")[1].count(" materialize  first  3") == 1
