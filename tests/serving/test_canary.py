"""Champion and challenger side by side: who answers which row, what is told of it, what is logged."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from featurectl.core.units import instant_us
from featurectl.monitor.canary.lifecycle import judge_now, open_log
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns
from featurectl.registry.base import HistoryEntry
from featurectl.serving.process.source import WorkspaceSource
from featurectl.serving.project.canary import oldest_ages
from featurectl.workspace.open import open_workspace
from tests.serving.trial import CANARY, NOW, NUMBER, canary, state_of, write_model

GOOD, BETTER = NUMBER["good"], NUMBER["better"]


@pytest.fixture
def start(own_trial, opened):
    """Starts a canary of a version for a share, and gives a client of a server that has it."""

    def begin(challenger, percent, spec=CANARY, **settings):
        write_model(own_trial, canary=spec.replace("2s", "9h"))
        canary(own_trial, "start", f"trial@{NUMBER[challenger]}", "--percent", str(percent))
        return opened(own_trial, **{"timeout_s": 20.0, "allow_pickle": True, "judge_s": 3_600.0, **settings})

    return begin


def rows_of(users, price=1.0):
    return [{"user": user, "price": price} for user in users]


def predicted(client, rows, **body):
    return client.post("/v1/predict/trial", json={"rows": rows, **body})


def served(client):
    return client.app.context.project.canaries["trial"]


@pytest.mark.long
@pytest.mark.parametrize("percent", [0.5, 5, 20, 50, 80, 99.5])
@pytest.mark.sample(1)
def test_the_share_of_entities_is_within_one_point_of_the_one_asked_for(start, percent):
    found = served(start("better", percent))
    taken = sum(found.takes(found.entity({"user": user, "price": 0.5})) for user in range(10_000))
    assert abs(taken / 100 - percent) < 1, taken


def test_the_hash_of_an_entity_is_one_everywhere_and_in_every_form_of_key(start):
    found = served(start("better", 50))
    forms = [{"user": 77, "price": 1.0}, {"price": 2.0, "user": "77"}, {"user": 77.0}]
    assert {found.entity(row) for row in forms} == {6_634_983_564_647_571_215}
    assert found.entity({"user": None}) != found.entity({"user": 0})


def test_each_row_of_a_batch_is_answered_by_the_version_of_its_entity(start):
    client, rows = start("shifted", 40), rows_of(range(60))
    answer = predicted(client, rows, **{"return": ["features"]}).json()
    assert (answer["version"], len(answer["rows"])) == (None, 60)
    found = served(client)
    shares = [NUMBER["shifted"] if found.takes(found.entity(row)) else GOOD for row in rows]
    assert [row["version"] for row in answer["rows"]] == shares
    assert set(shares) == {GOOD, NUMBER["shifted"]}
    for version in set(shares):
        alone = predicted(client, rows, version=version).json()
        assert alone["version"] == version
        assert all("version" not in row for row in alone["rows"])
        mine = [i for i, number in enumerate(shares) if number == version]
        assert [answer["rows"][i]["score"] for i in mine] == [alone["rows"][i]["score"] for i in mine]
    for row in rows[:8]:
        alone = predicted(client, [row]).json()
        assert alone["version"] == answer["rows"][row["user"]]["version"]
        assert client.post("/predict", json=row).json()["model_id"] == f"trial@{alone['version']}"


def test_a_request_that_names_a_version_gets_that_one(start):
    client, rows = start("better", 50), rows_of(range(40))
    for named, version in (("champion", GOOD), ("challenger", BETTER), (GOOD, GOOD), (BETTER, BETTER)):
        assert predicted(client, rows, version=named).json()["version"] == version
        assert (
            client.post("/predict", json={**rows[0], "model_version": named}).json()["model_id"] == f"trial@{version}"
        )


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_what_is_wrong_with_a_row_is_told_by_its_place_in_the_request(start, percent):
    client = start("better", percent, CANARY.replace(", score_psi: 0.25", ""))
    plain = rows_of(range(40))
    for place in (0, 13, 39):
        for wrong, told in (({"user": place, "price": "x"}, f"first at row {place + 1}"),
                            ({"user": "x", "price": 1.0}, f"row {place + 1}"),
                            ({"user": place}, f"first row {place + 1}")):  # fmt: skip
            answer = predicted(client, [*plain[:place], wrong, *plain[place + 1 :]])
            assert (answer.status_code, told in answer.json()["detail"]) == (400, True), answer.text
            assert "of 40 " in answer.json()["detail"] or "user" in wrong


def test_a_challenger_that_fails_is_answered_as_one_that_is_champion(start):
    client = start("failing", 50)
    found = served(client)
    theirs = [row for row in rows_of(range(30)) if found.takes(found.entity(row))]
    ours = [row for row in rows_of(range(30)) if not found.takes(found.entity(row))]
    assert predicted(client, ours[:5]).status_code == 200
    for answer in (predicted(client, theirs[:5]), predicted(client, [*ours[:3], *theirs[:3]])):
        assert answer.status_code == 422
        assert answer.json()["detail"] == "trial@4 has no score for these rows: out of order"
    text = client.get("/metrics").text
    for labels, count in (('result="answered",role="champion",version="1"', 1),
                          ('result="failed",role="challenger",version="4"', 2)):  # fmt: skip
        assert f'featurectl_canary_requests_total{{model="trial",{labels}}} {count}.0' in text


def test_rows_without_a_score_are_told_by_their_places_in_the_request(start):
    client = start("gaps", 50)
    found = served(client)
    rows = rows_of(range(16))
    theirs = [place for place, row in enumerate(rows) if found.takes(found.entity(row))]
    for place in theirs[-2:]:
        rows[place] = {**rows[place], "price": 2.9}
    answer = predicted(client, rows)
    assert 2 < len(theirs) < 14
    assert answer.status_code == 422
    assert answer.json()["rejected"] == [{"row": place, "reason": "no_score"} for place in theirs[-2:]]
    assert answer.json()["detail"] == "trial@7 has no score for 2 rows: is an input null?"


def logged(root, version):
    files = sorted((root / "off" / "trial" / "predictions" / "dev" / "trial" / f"v{version}").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files])


@pytest.mark.long
def test_every_row_of_a_canary_is_logged_whatever_the_sample_is(start, own_trial):
    client, rows = start("failing", 50), rows_of(range(200))
    found = served(client)
    for row in rows:
        predicted(client, [row])
    predicted(client, rows, version=GOOD)
    client.app.context.predictions.close()
    ours, theirs = logged(own_trial, GOOD).drop_nulls("canary"), logged(own_trial, NUMBER["failing"])
    assert ours.height + theirs.height == 200
    for frame, role, is_taken in ((ours, "champion", False), (theirs, "challenger", True)):
        assert set(frame["role"]) == {role}
        assert set(frame["canary"]) == {1}
        assert frame["entity"].to_list() == [found.entity({"user": user}) for user in frame["user"]]
        assert {found.takes(entity) for entity in frame["entity"]} == {is_taken}
        assert frame["request"].n_unique() == frame.height
        assert frame["latency_ms"].min() > 0
    assert theirs["fault"].to_list() == [True] * theirs.height
    assert ours["fault"].null_count() == ours.height


def test_a_bad_request_is_no_fault_of_the_challenger(start, own_trial):
    client = start("better", 100, CANARY.replace(", score_psi: 0.25", ""))
    assert predicted(client, rows_of([1], "x")).status_code == 400
    client.app.context.predictions.close()
    assert logged(own_trial, BETTER)["fault"].to_list() == [False]


def test_models_of_a_server_show_its_canary_and_none_runs_without_a_log(start, own_trial, opened):
    client = start("better", 20)
    assert client.get("/v1/models").json()["models"][0]["canary"] == {"version": BETTER, "percent": 20.0}
    other = opened(own_trial, env="unlogged", timeout_s=20.0, allow_pickle=True)
    assert other.get("/v1/models").json()["models"][0]["canary"] is None
    assert predicted(other, rows_of(range(50))).json()["version"] == GOOD


HOUR_US = 3_600 * 10**6


@pytest.mark.parametrize(
    ("static", "pushed_h", "rows_h", "ages_h"),
    [
        (False, 1, [5, 1, None], [1, 1, 1]),  # a push that has left a row alone, and no row at all
        (False, 3, [2, 3, None], [2, 3, 3]),  # a push that has come as far as one of the rows by now
        (False, None, [5, 1, None], [None] * 3),
        (True, 9, [9, 9, None], [None] * 3),
    ],
)
def test_features_are_as_old_as_the_last_push_of_their_view(static, pushed_h, rows_h, ages_h):
    def before(hours):
        return None if hours is None else instant_us(NOW) - hours * HOUR_US

    def column(source, hours):
        return FeatureColumn(source, [], [], [], [], [before(some) for some in hours])

    view, other = (SimpleNamespace(view=SimpleNamespace(source=SimpleNamespace(static=of))) for of in (static, False))
    records = {id(view): pushed_h, id(other): 2}

    def record(source):
        hours = records[id(source)]
        return None if hours is None else SimpleNamespace(computed_at=NOW - timedelta(hours=hours))

    pushes = SimpleNamespace(record=record)
    one = column(view, rows_h)
    columns = {"a": one, "b": one._replace(values=[1, 2, 3])}
    told = oldest_ages(FeatureColumns(columns=columns, count=3, now=NOW), pushes)
    assert told == [None if hours is None else hours * HOUR_US for hours in ages_h]
    columns["c"] = column(other, [2, 4, None])
    told = oldest_ages(FeatureColumns(columns=columns, count=3, now=NOW), pushes)
    assert told == [max(hours or 0, 2) * HOUR_US for hours in ages_h]


def test_rows_of_a_canary_are_logged_with_the_age_of_their_features(start, own_trial):
    client = start("better", 100, CANARY.replace(", score_psi: 0.25", ""))
    assert predicted(client, rows_of(range(40)), time=(NOW + timedelta(hours=3)).isoformat()).status_code == 200
    client.app.context.predictions.close()
    assert set(logged(own_trial, BETTER)["age_us"]) == {3 * HOUR_US}


def judge_of(root):
    workspace = open_workspace(root, "dev", None, "unread")
    return workspace, WorkspaceSource(workspace, allow_pickle=True)


@pytest.mark.long
def test_of_judges_that_find_it_broken_at_once_one_decides(start, own_trial):
    client = start("failing", 50)
    for row in rows_of(range(200)):
        predicted(client, [row])
    client.app.context.predictions.close()
    before, gate, came = state_of(own_trial), threading.Barrier(4), []

    def decide():
        with open_workspace(own_trial, "dev", None, "unread") as workspace:
            run = workspace.state().canaries[-1]
            log = open_log(workspace, run)
            gate.wait()
            came.append(judge_now(workspace, run, log, "serve"))

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = state_of(own_trial)
    assert after.serial == before.serial + 1
    assert [judged.run for judged in came] == [after.canaries[-1]] * 4
    assert (after.canaries[-1].state, after.aliases) == ("rolled_back", {("trial", "champion"): GOOD})


def test_an_unloadable_challenger_is_rolled_back_and_the_champion_answers(start, own_trial):
    version = state_of(own_trial).model_version("trial", BETTER)
    (own_trial / "off" / version.artifact).unlink()
    client = start("better", 50)
    assert predicted(client, rows_of(range(50))).json()["version"] == GOOD
    workspace, source = judge_of(own_trial)
    with workspace:
        assert source.judge(client.app.context.project.failures)
        assert not source.judge({})
    ended = state_of(own_trial).canaries[-1]
    assert (ended.state, ended.reason.startswith("it can't be served: ")) == ("rolled_back", True)


def test_a_canary_whose_champion_is_another_by_now_is_aborted(start, own_trial):
    client = start("better", 50)
    workspace, source = judge_of(own_trial)
    with workspace:
        entry = HistoryEntry(
            serial=0, at=datetime.now(UTC), who="ana", commit="", command="models promote", summary="x"
        )
        workspace.registry().write_alias("trial", "trial", "champion", NUMBER["shifted"], entry)
        served = client.app.context.project
        assert source.load(source.state(), served.catalog.pushed, served).canaries == {}
        assert source.judge({})
    state = state_of(own_trial)
    assert (state.canaries[-1].state, state.aliases) == (
        "aborted",
        {("trial", "champion"): NUMBER["shifted"], ("trial", "previous"): GOOD},
    )
    assert state.canaries[-1].reason == "the champion is version 5 by now, not version 1"
