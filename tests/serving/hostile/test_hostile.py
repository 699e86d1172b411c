"""Hostile clients of a server as it is started by default, all at once, while others ask it as one does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests import web
from tests.serving.hostile.attacks import ATTACKS, Target, take_all_connections
from tests.serving.load import Load
from tests.serving.process import Process, running

ASK = {"features": ["spend:count_7d"], "entities": {"user": [1]}}
LARGE = {
    "features": ["spend:*", "profile:*"],
    "entities": {"user": [user % 60 for user in range(1_000)]},
    "return": ["event_time", "computed_at", "age"],
}
LIMITS = ("-q", "--timeout", "4", "--keep-alive", "3s")
MOST = 300


def target_of(server: Process) -> Target:
    """What is attacked."""
    parts, body = urlsplit(server.url), json.dumps(LARGE).encode()
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\ncontent-length: %d\r\n\r\n" % len(body)
    return Target(host=parts.hostname, port=parts.port, large=head + body, connections=MOST)  # type: ignore[arg-type, arg-type]


def attack_all(server: Process, times: int = 1) -> None:
    """Let all of them attack at once, so many times, while somebody asks."""
    target = target_of(server)
    attacks = [attack for attack in ATTACKS for _ in range(times)]
    with ThreadPoolExecutor(len(attacks)) as pool:
        for done in [pool.submit(attack, target) for attack in attacks]:
            done.result()


@pytest.mark.long
def test_hostile_clients_are_got_rid_of_and_others_are_answered(clicks):
    """All but who asks for large answers have no key; that changes nothing."""
    with running(clicks, *LIMITS, "--max-connections", str(MOST), environ={"FEATURECTL_API_KEYS": "k"}) as server:
        with Load(f"{server.url}/health", {}, threads=1) as load:
            load.wait_for(405)
            attack_all(server)
            load.wait_for(405)
        assert (load.broken, set(load.statuses())) == ([], {405})
        assert server.complaints() == []


@pytest.mark.stress
def test_who_has_the_wrong_key_or_needs_none_can_hold_no_connection_either(clicks):
    for environ in ({"FEATURECTL_API_KEYS": "other"}, {}):
        with running(clicks, *LIMITS, environ=environ) as server:
            attack_all(server)
            answer = web.post(f"{server.url}/v1/features", json=ASK, timeout=20)
            assert answer.status_code == (401 if environ else 200)
        assert server.complaints() == []


@pytest.mark.long
def test_a_peer_has_so_many_connections_and_gets_more_when_it_lets_go(clicks):
    with running(clicks, *LIMITS, "--max-connections", str(MOST)) as server:
        take_all_connections(target_of(server))
        answers = [web.get(f"{server.url}/health", timeout=20).status_code for _ in range(5)]
        assert answers == [200] * 5
        assert server.complaints() == []


@pytest.mark.stress
def test_many_hostile_clients_are_got_rid_of_time_and_again(clicks):
    with running(clicks, *LIMITS, "--max-connections", "2000") as server:
        with Load(f"{server.url}/health", {}, threads=1):
            for _ in range(3):
                attack_all(server, times=3)
        assert web.post(f"{server.url}/v1/features", json=ASK, timeout=20).status_code == 200
        assert server.complaints() == []
