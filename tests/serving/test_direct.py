"""Requests that are answered from the protocol, against the same ones by ASGI: a query in the address leads there."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import re
import socket
import tracemalloc
import weakref
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn

from featurectl.serving.process.connections import ConnectionLimits, Connections
from featurectl.serving.process.direct import DirectCycle, RequestHead
from featurectl.serving.process.protocol import PatientProtocol
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.serving.process import Process, running

BODIES: dict[str, list[Any]] = {
    "/v1/features": [
        {"features": ["spend:*"], "entities": {"user": [1, 2, 99]}},
        {"features": ["spend:count_7d"], "entities": {"user": [1]}, "return": ["age", "version"]},
        {"features": ["spend:nothing"], "entities": {"user": [1]}},
        {"features": ["spend"], "entities": {"user": [1]}},
        {"features": ["spend:*"], "entities": {}},
        {"model": "click", "entities": {"user": [1], "merchant": ["m1"]}},
        [],
    ],
    "/v1/predict/click": [
        {"rows": [{"user": 1, "merchant": "m1", "hour": 3, "price": 2.5}], "return": ["features", "status"]},
        {"rows": [{"user": 1}]},
        {"rows": []},
    ],
    "/v1/predict/nothing": [{"rows": [{"user": 1}]}],
    "/predict": [{"user": 1, "merchant": "m1", "hour": 3, "price": 2.5}, {"user": [1]}],
}
MOST = 4_000
KEY = "secret-key"
BEGUN = f"POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 9\r\n\r\n{{".encode()


@pytest.fixture(scope="module")
def process(clicks):
    with running(clicks, "--max-body", str(MOST), "--timeout", "5", environ={"FEATURECTL_API_KEYS": KEY}) as process:
        yield process


def drawn(chance: random.Random) -> tuple[str, bytes, bytes]:
    """Return an address, the other lines of a head with its end, and a body as it is sent."""
    path = chance.choice(list(BODIES))
    body = json.dumps(chance.choice(BODIES[path])).encode()
    body = chance.choice([body, body, body, body[:-1], b"", body + b" " * MOST])
    lines = [b"host: x", b"X-Api-Key: " + chance.choice([KEY, KEY, KEY, KEY, "other"]).encode()]
    lines += chance.choice([[], [], [b"connection: close"], [b"x-other: 1", b"accept: */*"]])
    if chance.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
        cut = chance.randrange(1, len(body)) if len(body) > 1 else len(body)
        parts = [part for part in (body[:cut], body[cut:]) if part]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        lines.append(b"Content-Length: %d" % len(body))
    chance.shuffle(lines)
    return path, b"\r\n".join(lines) + b"\r\n\r\n", body


def ask(process: Process, target: str, rest: bytes, body: bytes, cuts: list[int]) -> tuple[str, dict[str, str], Any]:
    """Send a request in pieces, and return its answer: status, headers, and what is the same each time of its body."""
    address = urlsplit(process.url)
    sent = f"POST {target} HTTP/1.1\r\n".encode() + rest + body
    with socket.create_connection((address.hostname, address.port), timeout=30) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            try:
                made.sendall(sent[start:end])
            except ConnectionError:  # it has its answer already
                break
        return read_answer(made)


def read_answer(made: socket.socket) -> tuple[str, dict[str, str], Any]:
    found = b""
    while b"\r\n\r\n" not in found:
        data = made.recv(65536)
        assert data, found
        found += data
    head, _, body = found.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers.pop("content-length"))
    assert headers.pop("date").endswith(" GMT")
    while len(body) < length:
        body += made.recv(65536)
    assert len(body) == length
    shown = re.sub(rb'"(latency_ms|timestamp|age_seconds)":(\[[^]]*\]|[^,}]*)', b'"":0', body)
    return status, headers, json.loads(shown)


@pytest.mark.parametrize("seed", range(120))
@pytest.mark.sample(25)
def test_the_answer_is_that_of_asgi(process, seed):
    chance = random.Random(seed)
    path, rest, body = drawn(chance)
    length = len(path) + 16 + len(rest) + len(body)
    cuts = sorted(chance.sample(range(1, length), chance.choice([0, 0, 1, 2])))
    assert ask(process, path, rest, body, cuts) == ask(process, path + "?x=1", rest, body, [])


def counted(process: Process) -> dict[str, int]:
    text = httpx2.get(f"{process.url}/metrics", headers={"x-api-key": KEY}, timeout=30).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("featurectl_http_requests")]
    return {name: int(float(value)) for name, value in lines if 'method="GET"' not in name}


def test_requests_are_counted_as_those_of_asgi(process):
    chance = random.Random(0)
    requests = [drawn(chance) for _ in range(30)]
    counts = [counted(process)]
    for query in ("", "?x=1"):
        for path, rest, body in requests:
            ask(process, path + query, rest, body, [])
        counts.append(counted(process))
    first, second = ({name: after[name] - before.get(name, 0) for name in after} for before, after in
                     itertools.pairwise(counts))  # fmt: skip
    assert first == second
    in_flight = first.pop("featurectl_http_requests_in_flight")
    assert (sum(first.values()), in_flight) == (30, 0)


def test_requests_of_both_kinds_that_come_together_are_answered_in_turn(process):
    kinds = [("/predict", 0), ("/v1/predict/click", 0), ("/health", None), ("/predict?x", 0), ("/v1/features", 0)] * 3
    random.Random(1).shuffle(kinds)
    sent, expected = b"", []
    for path, number in kinds:
        body = b"" if number is None else json.dumps(BODIES[path.partition("?")[0]][number]).encode()
        method = "GET" if number is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        sent += head.encode() + body
        expected.append({"/health": "uptime", "/predict": "model_id", "/predict?x": "model_id",
                         "/v1/predict/click": "rows", "/v1/features": "features"}[path])  # fmt: skip
    address = urlsplit(process.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as made:
        made.sendall(sent)
        found = b""
        while found.count(b"HTTP/1.1 200 OK") < len(kinds) or not found.endswith(b"}"):
            found += made.recv(65536)
    bodies = [json.loads(part.partition(b"\r\n\r\n")[2]) for part in found.split(b"HTTP/1.1 ")[1:]]
    assert len(bodies) == len(expected)
    assert all(word in body for word, body in zip(expected, bodies, strict=True))


@pytest.mark.long
def test_a_body_that_does_not_come_is_refused_when_its_time_is_over(process):
    address = urlsplit(process.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as made:
        made.sendall(f"POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 9\r\n\r\n{{".encode())
        status, headers, problem = read_answer(made)
        assert made.recv(1) == b""
    assert (status, headers["connection"]) == ("HTTP/1.1 408 Request Timeout", "close")
    assert problem["detail"] == "the request did not arrive within 5 s"


class Connection:
    """A connection that keeps what is written to it."""

    def __init__(self, loop):
        self.loop, self.tasks, self.answers = loop, set(), []

    def common_lines(self):
        return b""

    def write_answer(self, answer, url, status):  # noqa: ARG002  # what it is does not matter
        self.answers.append((url, status))

    def on_response_complete(self):
        self.answers.append("complete")


def test_a_request_whose_time_is_over_before_it_begins_is_refused(clicks):
    async def trial():
        answers = open_app(ServeSettings(root=str(clicks))).direct
        made = Connection(asyncio.get_running_loop())
        cycle = DirectCycle(made, answers, answers.find(b"/predict"), RequestHead(b"/predict", True))
        cycle.add(b"{}")
        cycle.end()
        cycle.expire()
        await asyncio.sleep(0.01)
        return made.answers, made.tasks

    assert asyncio.run(trial()) == ([(b"/predict", 503), "complete"], set())


def test_a_body_in_small_parts_takes_no_more_memory_than_in_one(clicks):
    async def trial():
        answers = open_app(ServeSettings(root=str(clicks))).direct
        made = Connection(asyncio.get_running_loop())
        cycle = DirectCycle(made, answers, answers.find(b"/predict"), RequestHead(b"/predict", True))
        tracemalloc.start()
        for number in range(20_000):
            cycle.add(b"%02d" % (number % 100))
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        cycle.leave()
        return held

    assert asyncio.run(trial()) < 2 * 40_000


def test_a_client_that_leaves_before_its_body_is_there_is_forgotten(process):
    address, before = urlsplit(process.url), counted(process)
    for _ in range(5):
        with socket.create_connection((address.hostname, address.port), timeout=30) as made:
            made.sendall(
                f"POST /predict HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 9\r\n\r\n{{".encode()
            )
    for _ in range(100):
        after = counted(process)
        if sum(after.values()) == sum(before.values()) + 5:
            break
    in_flight = "featurectl_http_requests_in_flight"
    assert after[in_flight] == before[in_flight] == 1  # the one that asks


async def until(holds):
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it does not come to hold")


@pytest.mark.parametrize("missing", [0, 9])
def test_a_connection_that_is_gone_is_kept_by_nothing(clicks, missing):
    body = json.dumps(BODIES["/predict"][0]).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def trial():
        app = open_app(ServeSettings(root=str(clicks)))
        config = uvicorn.Config(app, ws="none", log_config=None, proxy_headers=False)
        config.load()
        all_of_them = Connections(ConnectionLimits(of_peer=9, in_all=9))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: PatientProtocol(config, all_of_them, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(head + body[: len(body) - missing])
        await until(lambda: any(found.has_asked for found in all_of_them.connections))
        if not missing:
            assert (await reader.read(12)).startswith(b"HTTP/1.1 ")
        made = weakref.ref(next(iter(all_of_them.connections)))
        writer.close()
        await until(lambda: not all_of_them.connections)
        await asyncio.sleep(0.01)
        server.close()
        return made()

    gc.disable()
    try:
        assert asyncio.run(trial()) is None
    finally:
        gc.enable()
