"""Canaries under load: clients that never stop, a server as somebody starts it, the judge in each of its processes.

One server of two processes has most of them in turn; each test ends its own, and gives the champion its place back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.canary.clients import Clients
from tests import web
from tests.serving.process import running
from tests.serving.trial import (
    CANARY,
    NUMBER,
    canary,
    clients_of,
    run,
    state_of,
    wait_for_end,
    wait_until,
    write_model,
)

OPTIONS = ("--allow-pickle", "--timeout", "20", "--store-timeout", "10", "--reload", "0.2", "--judge", "0.5")
GOOD, BETTER = NUMBER["good"], NUMBER["better"]
ENDLESS = CANARY.replace("2s", "9h")
SHORT = "{percent: 50, for: 9h, min_requests: 10, success: SUCCESS}"


@dataclass(frozen=True)
class Field:
    """A repository that a server serves, and clients that ask it."""

    root: Path
    url: str
    clients: Clients
    processes: int = 2

    def begin(self, challenger, spec=CANARY, *words):
        """Start a canary when the champion answers the clients."""
        write_model(self.root, canary=spec)
        wait_until(lambda: self.clients.answered_by(GOOD) > 20)
        canary(self.root, "start", f"trial@{NUMBER[challenger]}", *words)

    def champion(self):
        """Wait until every process answers with the champion alone, and return which that is."""
        champion = state_of(self.root).aliases["trial", "champion"]
        wait_until(lambda: self._versions() == [champion] * self.processes)
        return champion

    def split(self):
        """Wait until every process has the canary."""
        wait_until(lambda: self._versions() == [None] * self.processes)

    def _versions(self):
        """Return the version that each process answers with last; None where several answer their users."""
        answers = [_asked(self.url, range(500)) for _ in range(10)]
        return list({answer["server_name"]: answer["version"] for answer in answers}.values())

    def end(self, challenger, spec=CANARY, *words):
        """Start a canary, and return how it has ended; the clients ask on until every process knows."""
        self.begin(challenger, spec, *words)
        ended = wait_for_end(self.root)
        aliases = state_of(self.root).aliases
        assert self.champion() == (NUMBER[challenger] if ended.state == "promoted" else GOOD)
        assert ("trial", "challenger") not in aliases
        return ended


@pytest.fixture(scope="module")
def server(trial, tmp_path_factory):
    """The repository, and the URL of a server of two processes over it."""
    root = shutil.copytree(trial, tmp_path_factory.mktemp("field") / "repo")
    with running(root, *OPTIONS, "--workers", "2") as process:
        yield root, process.url


@pytest.fixture
def field(server) -> Iterator[Field]:
    root, url = server
    with clients_of(url) as clients:
        yield Field(root, url, clients)
    assert clients.lost == []
    if state_of(root).aliases["trial", "champion"] != GOOD:
        run(root, "models", "promote", f"trial@{GOOD}", "--allow-pickle")


def _asked(url, users):
    """What a new connection, so either of the processes, answers for some users."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname, address.port, timeout=60)
    body = json.dumps({"rows": [{"user": user, "price": 1.0} for user in users]})
    connection.request("POST", "/v1/predict/trial", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    found = json.loads(answer.read())
    connection.close()
    return found


@pytest.mark.long
def test_a_canary_with_good_figures_promotes_itself(field):
    ended = field.end("better", CANARY.replace("percent: 30", "percent: 50"))
    assert (ended.state, ended.figures["challenger"]["faults"]) == ("promoted", 0), ended
    assert [item["holds"] for item in ended.figures["criteria"]] == [True] * 4
    assert ended.figures["challenger"]["requests"] >= 300
    aliases = state_of(field.root).aliases
    assert aliases == {("trial", "champion"): BETTER, ("trial", "previous"): GOOD}
    assert set(field.clients.statuses) == {200}
    assert field.clients.answered_by(BETTER) >= 300


@pytest.mark.long
def test_one_that_scores_otherwise_is_rolled_back(field):
    ended = field.end("shifted")
    assert ended.state == "rolled_back", ended
    assert "score_psi" in ended.reason
    assert set(field.clients.statuses) == {200}


@pytest.mark.long
def test_one_that_fails_is_rolled_back_and_its_errors_were_answered(field):
    ended = field.end("failing")
    assert ended.state == "rolled_back", ended
    assert "error_rate_percent 100 (asked: at most 0.5)" in ended.reason
    assert ended.figures["champion"]["faults"] == 0
    assert set(field.clients.statuses) == {200, 422}
    assert field.clients.answered_by(NUMBER["failing"]) == 0


@pytest.mark.long
def test_one_that_is_slow_is_rolled_back_before_its_time_is_over(field):
    ended = field.end("slow", SHORT.replace("SUCCESS", "{latency_p99_ms: 500}"))
    assert ended.state == "rolled_back", ended
    assert ended.reason.startswith("latency_p99_ms ")
    assert ended.figures["challenger"]["latency_p99_ms"] > 500
    assert set(field.clients.statuses) == {200}


@pytest.mark.long
def test_entities_keep_their_version_on_both_workers_and_the_share_holds(field):
    field.begin("better", ENDLESS, "--percent", "5")
    field.split()
    seen: dict[int, set[int]] = {}
    processes = set()
    while len(processes) < 2 or len(seen) < 10_000:
        for start in range(0, 10_000, 500):
            answer = _asked(field.url, range(start, start + 500))
            processes.add(answer["server_name"])
            for user, told in enumerate(answer["rows"], start):
                seen.setdefault(user, set()).add(told["version"])
    assert {len(versions) for versions in seen.values()} == {1}
    taken = sum(BETTER in versions for versions in seen.values())
    assert len(seen) == 10_000
    assert abs(taken / 100 - 5) < 1, taken
    canary(field.root, "abort", "trial")
    assert field.champion() == GOOD
    field.clients.begin()
    wait_until(lambda: field.clients.answered_by(GOOD) > 200)
    assert field.clients.answered_by(BETTER) == 0
    ended = state_of(field.root).canaries[-1]
    assert (ended.state, ended.champion, ended.challenger) == ("aborted", GOOD, BETTER)


@pytest.mark.long
@pytest.mark.parametrize(
    ("challenger", "state"),
    [pytest.param("better", "promoted", marks=pytest.mark.stress), ("failing", "rolled_back")],
)
def test_in_shadow_mode_the_champion_answers_all_and_the_other_is_judged(field, challenger, state):
    field.begin(challenger, CANARY, "--percent", "0")
    ended = wait_for_end(field.root)
    assert (ended.state, ended.percent) == (state, 0), ended
    assert set(field.clients.statuses) == {200}
    if state == "rolled_back":
        assert field.clients.answered_by(NUMBER[challenger]) == 0


@pytest.mark.stress
@pytest.mark.parametrize(("challenger", "state"), [("better", "promoted"), ("slow", "rolled_back")])
def test_one_process_is_enough_to_judge(own_trial, challenger, state):
    spec = CANARY if state == "promoted" else SHORT.replace("SUCCESS", "{latency_p99_ms: 500}")
    with running(own_trial, *OPTIONS) as server, clients_of(server.url) as clients:
        assert Field(own_trial, server.url, clients, 1).end(challenger, spec).state == state
    assert (clients.lost, set(clients.statuses)) == ([], {200})


@pytest.mark.stress
def test_one_that_gives_no_answer_in_time_is_rolled_back_for_its_errors(own_trial):
    write_model(own_trial, canary=SHORT.replace("SUCCESS", "{error_rate_percent: 1}"))
    with running(own_trial, *OPTIONS, "--timeout", "0.6") as server, clients_of(server.url) as clients:
        wait_until(lambda: clients.answered_by(GOOD) > 20)
        canary(own_trial, "start", f"trial@{NUMBER['slow']}")
        ended = wait_for_end(own_trial)
    assert ended.state == "rolled_back", ended
    assert "error_rate_percent 100" in ended.reason
    assert set(clients.statuses) == {200, 503}


@pytest.mark.stress
def test_a_shadow_that_hangs_keeps_nobody_waiting(own_trial):
    write_model(own_trial, canary=ENDLESS)
    with running(own_trial, *OPTIONS) as server:
        canary(own_trial, "start", f"trial@{NUMBER['blocking']}", "--percent", "0")
        with clients_of(server.url) as clients:
            dropped = 'role="shadow",version="6"} '
            wait_until(lambda: any("dropped" in line and dropped in line for line in _metrics(server.url)))
        assert (clients.lost, set(clients.statuses)) == ([], {200})
        assert clients.answered_by(GOOD) > 250
        canary(own_trial, "abort", "trial")
        assert server.stop() == 0


def _metrics(url):
    return web.get(f"{url}/metrics", timeout=60).text.splitlines()
