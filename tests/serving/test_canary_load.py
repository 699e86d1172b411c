"""Canaries under load: clients that never stop, a server as somebody starts it, the judge in each of its processes."""

from __future__ import annotations

import httpx2
import pytest

from tests.serving.process import running
from tests.serving.trial import (
    CANARY,
    NUMBER,
    USERS,
    Clients,
    canary,
    state_of,
    wait_for_end,
    wait_until,
    write_model,
)

OPTIONS = ("--allow-pickle", "--timeout", "20", "--store-timeout", "10", "--reload", "0.2", "--judge", "0.5")
GOOD = NUMBER["good"]


def ended_under_load(root, challenger, workers, limit_s=90.0):
    """Start a canary while clients ask, and return how it has ended, and the clients."""
    with running(root, *OPTIONS, "--workers", workers) as server, Clients(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        canary(root, "start", f"trial@{NUMBER[challenger]}")
        ended = wait_for_end(root, limit_s)
        # Every process has to see it: the clients keep asking until nothing but the champion of now answers.
        champion = state_of(root).aliases["trial", "champion"]
        wait_until(lambda: all(_answers(server.url) == champion for _ in range(20)))
    assert clients.broken == []
    return ended, clients


def _answers(url):
    """The version that answers on a new connection, for users of which some were the challenger's."""
    versions = {
        httpx2.post(f"{url}/v1/predict/trial", json={"rows": [{"user": user, "price": 1.0}]}, timeout=60).json()[
            "version"
        ]
        for user in (1, 2, 3, 4, 5, 6)
    }
    return versions.pop() if len(versions) == 1 else None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_canary_with_good_figures_promotes_itself(own_trial, workers):
    ended, clients = ended_under_load(own_trial, "better", workers)
    assert (ended.state, ended.figures["challenger"]["faults"]) == ("promoted", 0), ended
    assert [item["holds"] for item in ended.figures["criteria"]] == [True] * 4
    assert ended.figures["challenger"]["requests"] >= 300
    state = state_of(own_trial)
    assert state.aliases == {("trial", "champion"): NUMBER["better"], ("trial", "previous"): GOOD}
    assert set(clients.statuses) == {200}
    # Whoever was the challenger's stayed so; what the champion of before answered ended with the canary.
    assert clients.answered_by(NUMBER["better"]) >= 300


def test_one_that_scores_otherwise_is_rolled_back(own_trial):
    ended, clients = ended_under_load(own_trial, "shifted", "2")
    assert ended.state == "rolled_back", ended
    assert "score_psi" in ended.reason
    assert state_of(own_trial).aliases == {("trial", "champion"): GOOD}
    assert set(clients.statuses) == {200}


def test_one_that_fails_is_rolled_back_and_its_errors_were_answered(own_trial):
    ended, clients = ended_under_load(own_trial, "failing", "2")
    assert ended.state == "rolled_back", ended
    assert "error_rate_percent 100 (asked: at most 0.5)" in ended.reason
    assert ended.figures["champion"]["faults"] == 0
    assert set(clients.statuses) == {200, 422}
    assert clients.answered_by(NUMBER["failing"]) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_that_is_slow_is_rolled_back_before_its_time_is_over(own_trial, workers):
    write_model(own_trial, canary="{percent: 50, for: 9h, min_requests: 10, success: {latency_p99_ms: 1500}}")
    ended, clients = ended_under_load(own_trial, "slow", workers)
    assert ended.state == "rolled_back", ended
    assert "latency_p99_ms 2" in ended.reason
    assert set(clients.statuses) == {200}


def test_one_that_gives_no_answer_in_time_is_rolled_back_for_its_errors(own_trial):
    write_model(own_trial, canary="{percent: 50, for: 9h, min_requests: 10, success: {error_rate_percent: 1}}")
    write = ("--timeout", "1.5")
    with running(own_trial, *OPTIONS, *write) as server, Clients(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        canary(own_trial, "start", f"trial@{NUMBER['slow']}")
        ended = wait_for_end(own_trial)
    assert ended.state == "rolled_back", ended
    assert "error_rate_percent 100" in ended.reason
    assert set(clients.statuses) == {200, 503}


def test_entities_keep_their_version_on_both_workers_and_the_share_is_the_one_asked_for(own_trial):
    write_model(own_trial, canary=CANARY.replace("2s", "9h"))
    with running(own_trial, *OPTIONS, "--workers", "2") as server:
        canary(own_trial, "start", f"trial@{NUMBER['better']}", "--percent", "5")
        wait_until(lambda: all(_splits(server.url) for _ in range(10)))
        seen: dict[int, set[int]] = {}
        processes = set()
        for start in [*range(0, 10_000, 500)] * 2:
            with httpx2.Client(timeout=60) as client:
                rows = [{"user": user, "price": 1.0} for user in range(start, start + 500)]
                answer = client.post(f"{server.url}/v1/predict/trial", json={"rows": rows}).json()
            processes.add(answer["server_name"])
            for row, told in zip(rows, answer["rows"], strict=True):
                seen.setdefault(row["user"], set()).add(told["version"])
        assert len(processes) == 2
    assert {len(versions) for versions in seen.values()} == {1}
    taken = sum(NUMBER["better"] in versions for versions in seen.values())
    assert len(seen) == 10_000
    assert abs(taken / 100 - 5) < 1, taken


def _splits(url):
    rows = [{"user": user, "price": 1.0} for user in range(500)]
    answer = httpx2.post(f"{url}/v1/predict/trial", json={"rows": rows}, timeout=60).json()
    return answer["version"] is None


def test_one_that_is_aborted_is_gone_without_a_dropped_request(own_trial):
    write_model(own_trial, canary=CANARY.replace("2s", "9h"))
    challenger = NUMBER["better"]
    with running(own_trial, *OPTIONS, "--workers", "2") as server, Clients(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        canary(own_trial, "start", f"trial@{challenger}")
        wait_until(lambda: clients.answered_by(challenger) > 50)
        canary(own_trial, "abort", "trial")
        wait_until(lambda: all(_answers(server.url) == GOOD for _ in range(20)))
        before = clients.answered_by(challenger)
        wait_until(lambda: clients.answered_by(GOOD) > before + 500)
        assert clients.answered_by(challenger) == before
    assert (clients.broken, set(clients.statuses)) == ([], {200})
    ended = state_of(own_trial).canaries[-1]
    assert (ended.state, ended.champion, ended.challenger) == ("aborted", GOOD, challenger)


@pytest.mark.parametrize("challenger,state", [("better", "promoted"), ("failing", "rolled_back")])
def test_in_shadow_mode_the_champion_answers_everybody_and_the_challenger_is_judged_beside_it(
    own_trial, challenger, state
):
    with running(own_trial, *OPTIONS) as server, Clients(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        canary(own_trial, "start", f"trial@{NUMBER[challenger]}", "--percent", "0")
        ended = wait_for_end(own_trial)
    assert (ended.state, ended.percent) == (state, 0), ended
    assert (clients.broken, set(clients.statuses)) == ([], {200})
    answered = {version for found in clients.versions.values() for version in found}
    assert answered <= ({GOOD, NUMBER["better"]} if state == "promoted" else {GOOD})


def test_a_shadow_that_hangs_keeps_nobody_waiting(own_trial):
    write_model(own_trial, canary=CANARY.replace("2s", "9h"))
    with running(own_trial, *OPTIONS[:1], "--timeout", "20", "--reload", "0.2", "--judge", "0.5") as server:
        canary(own_trial, "start", f"trial@{NUMBER['blocking']}", "--percent", "0")
        with Clients(server.url) as clients:
            dropped = 'role="shadow",version="6"} '
            wait_until(lambda: any("dropped" in line and dropped in line for line in _metrics(server.url)))
        assert (clients.broken, set(clients.statuses)) == ([], {200})
        assert clients.answered_by(GOOD) > USERS / 10
        canary(own_trial, "abort", "trial")
        assert server.stop() == 0


def _metrics(url):
    return httpx2.get(f"{url}/metrics", timeout=60).text.splitlines()
