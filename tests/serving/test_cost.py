"""What a request costs: whatever its body, it is answered in bounded time and memory, and others are not kept waiting.

The bodies are as large as a server takes them, of the kinds below, drawn with a seed.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from tests import web
from tests.serving.clicks import request_rows
from tests.serving.process import Process, running

MOST = 1_000_000  # bytes of a body
HANG_S = 20.0  # no request takes so long, on the busiest machine; the first that was reported took 48 s
GROWTH_BYTES = 500 << 20
ABOUT = ["version", "event_time", "age", "computed_at"]
FEATURES, PREDICT, FLAT = "/v1/features", "/v1/predict/click", "/predict"
Made = tuple[str, bytes]


def _body(path: str, document: object) -> Made:
    return path, json.dumps(document).encode()


def repeated(chance: random.Random) -> Made:
    """The same member again and again, of every row."""
    many, users = chance.randrange(10_000, 90_000), list(range(1_000))
    what = chance.choice(ABOUT)
    return chance.choice(
        [
            _body(FEATURES, {"features": ["spend:*"], "entities": {"user": users}, "return": [what] * many}),
            _body(FEATURES, {"features": ["spend:*"] * many, "entities": {"user": users}}),
            _body(PREDICT, {"rows": request_rows(1_000), "return": ["features"] * many}),
            _body(FLAT, {**request_rows(1)[0], "features": ["spend"] * many}),
            (FLAT, b"{" + b'"user": 1, ' * many + b'"merchant": "m1"}'),
        ]
    )


def as_much_as_is_allowed(chance: random.Random) -> Made:
    """All rows, and all that there is to tell of them."""
    users = [chance.randrange(60) for _ in range(1_000)]
    return chance.choice(
        [
            _body(FEATURES, {"features": ["spend:*", "profile:*"], "entities": {"user": users}, "return": ABOUT}),
            _body(FEATURES, {"model": "click", "entities": {"user": users, "merchant": ["m1"] * 1_000}}),
            _body(PREDICT, {"rows": request_rows(1_000, chance.random()), "return": ["features", "status"]}),  # type: ignore[arg-type]
        ]
    )


def deep(chance: random.Random) -> Made:
    """Lists and objects in each other."""
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    depth = chance.randrange(100, MOST // 6)
    where = chance.choice([b'{"entities": {"user": %b}}', b'{"rows": %b}', b"%b"])
    return chance.choice([FEATURES, PREDICT, FLAT]), where % (opening * depth + b"1" + closing * depth)


def long(chance: random.Random) -> Made:
    """Texts as long as a body."""
    letter = chance.choice(["x", "\u00e9", "\U0001f600", "\\", "0", " "])
    text = letter * (MOST // 12)
    row = request_rows(1)[0]
    return chance.choice(
        [
            _body(FEATURES, {"features": ["spend:*"], "entities": {"user": [text]}}),
            _body(FEATURES, {"features": [text], "entities": {"user": [1]}}),
            _body(FEATURES, {"features": ["spend:*"], "entities": {text: [1]}}),
            _body(FEATURES, {"features": ["spend:*"], "entities": {"user": [1]}, "time": text}),
            _body(FEATURES, {"model": text, "entities": {"user": [1]}}),
            _body(PREDICT, {"rows": [{**row, "merchant": text}]}),
            _body(PREDICT, {"rows": [{**row, "price": text}]}),
            _body(PREDICT, {"rows": [row], "version": text}),
            _body(FLAT, {**row, "model": text}),
            _body(FLAT, {**row, "model_version": text}),
            (f"/v1/predict/{'m' * chance.randrange(1, 60_000)}", b'{"rows": [{}]}'),
        ]
    )


def many(chance: random.Random) -> Made:
    """Members, columns and rows by the thousand."""
    count = chance.randrange(1_000, 40_000)
    names = {f"n{i}": i for i in range(count)}
    return chance.choice(
        [
            _body(FEATURES, {"features": ["spend:*"], "entities": {name: [1] for name in names}}),
            _body(FEATURES, {"features": ["spend:*"], "entities": {name: [1] * (i % 2) for name, i in names.items()}}),
            _body(FEATURES, {"features": [f"spend:{name}" for name in names], "entities": {"user": [1]}}),
            _body(FEATURES, {"features": ["spend:*"], "entities": {"user": list(range(count))}}),
            _body(PREDICT, {"rows": [names]}),
            _body(PREDICT, {"rows": [{}] * count}),
            _body(FLAT, {**request_rows(1)[0], **names}),
            _body(FLAT, {**request_rows(1)[0], "features": list(names)}),
        ]
    )


def huge(chance: random.Random) -> Made:
    """Numbers of many digits."""
    digits = chance.choice([20, 4_000, 100_000, MOST - 200])
    number = chance.choice(
        [b"9" * digits, b"-" + b"9" * digits, b"0." + b"1" * digits, b"1e" + b"9" * 9, b"1" + b"0" * digits + b".5e-9"]
    )
    where = chance.choice([b'{"features": ["spend:*"], "entities": {"user": [%b]}}', b'{"rows": [{"user": %b}]}'])
    return (FEATURES if b"entities" in where else PREDICT), where % number


def broken(chance: random.Random) -> Made:
    """What is no JSON in the end."""
    path, body = chance.choice([repeated, as_much_as_is_allowed, many])(chance)
    cut = chance.randrange(len(body))
    junk = chance.choice([b"", b"\xff\xfe", b"\x00" * 100, b" " * (MOST // 2), b'"\\ud800"', b"\\u0000"])
    return path, body[:cut] + junk


def versions(chance: random.Random) -> Made:
    """Versions of models, of which there may be none."""
    which = chance.choice([chance.randrange(-5, 10**9), "challenger", "9" * 200, "1e9", "\u0663"])
    return _body(PREDICT, {"rows": request_rows(50), "version": which})


KINDS: tuple[Callable[[random.Random], Made], ...] = (
    repeated, as_much_as_is_allowed, deep, long, many, huge, broken, versions,
)  # fmt: skip


@dataclass
class Beside:
    """Somebody who asks for something small all the while, and the longest that it took."""

    url: str
    longest_s: float = 0.0
    statuses: set[int] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with web.client(timeout=120) as client:
            while not self._stop.wait(0.05):
                begin_s = time.monotonic()
                self.statuses.add(client.get(f"{self.url}/health").status_code)
                self.longest_s = max(self.longest_s, time.monotonic() - begin_s)


def memory_of(server: Process) -> int:
    """The most memory that a server has had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def ask_all(server: Process, count: int) -> dict[str, float]:
    """Send so many bodies of each kind, and return the longest that one of each took, and what memory they took."""
    begin, took = memory_of(server), dict[str, float]()
    with Beside(server.url) as beside, web.client(timeout=120) as client:
        for kind in KINDS:
            for seed in range(count):
                path, body = kind(random.Random(seed))
                begin_s = time.monotonic()
                answer = client.post(server.url + path, content=body[: 1 << 20])
                seconds = time.monotonic() - begin_s
                assert answer.status_code in {200, 400, 404, 413, 422, 503}, (kind.__name__, seed, answer.text[:500])
                assert answer.status_code == 200 or len(answer.content) < 20_000, (kind.__name__, seed)
                took[kind.__name__] = max(took.get(kind.__name__, 0.0), seconds)
                assert seconds < HANG_S, (kind.__name__, seed)
    assert beside.statuses == {200}
    took |= {"beside": beside.longest_s, "megabytes": (memory_of(server) - begin) / 1e6}
    return took


def check_all(root: Path, count: int) -> None:
    """Hold a server against so many bodies of each kind."""
    with running(root, "-q") as server:
        took = ask_all(server, count)
        assert took["beside"] < HANG_S
        assert took["megabytes"] < GROWTH_BYTES / 1e6
        assert server.complaints() == []
    print({kind: round(figure, 2) for kind, figure in took.items()})  # noqa: T201  # for who runs it with -s


@pytest.mark.long
def test_no_body_takes_long_or_much_memory_or_keeps_others_waiting(clicks):
    check_all(clicks, 2)


@pytest.mark.stress
def test_none_of_many_bodies_takes_long_or_much_memory(clicks):
    check_all(clicks, 100)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (FEATURES, {"features": ["spend:*"], "entities": {"user": [1]}, "return": ["age"] * 17}, "$.return"),
        (FEATURES, {"features": ["spend:*"] * 501, "entities": {"user": [1]}}, "$.features"),
        (FEATURES, {"features": ["spend:*"], "entities": {"user": ["x" * 4_097]}}, "user: 4,097 characters at row 1"),
        (FEATURES, {"features": ["spend:*"], "entities": {f"n{i}": [1] for i in range(101)}}, "$.entities"),
        (PREDICT, {"rows": [{"x" * 201: 1}]}, "$.rows"),
        (FLAT, {f"n{i}": 1 for i in range(2_001)}, "length <= 2000"),
        (FLAT, {"features": ["tier"] * 501}, "length <= 500"),
    ],
)
def test_every_list_and_text_of_a_body_has_a_bound(client, path, body, told):
    answer = client.post(path, json=body)
    assert (answer.status_code, told in answer.json()["detail"]) == (400, True), answer.text


def test_what_is_named_twice_is_told_once(client):
    body = {"features": ["spend:count_7d"] * 3, "entities": {"user": [1]}, "return": ["age", "age"]}
    assert list(client.post(FEATURES, json=body).json()["features"]) == ["count_7d"]
    row = request_rows(1)[0]
    flat = client.post(FLAT, json={**row, "features": ["tier", "tier"]}).json()
    assert list(flat["features"]) == ["tier"]


def test_rows_by_what_is_told_of_each_are_bounded(clicks, opened):
    client = opened(clicks, timeout_s=20.0, max_values=60)
    ask = {"features": ["spend:*"], "entities": {"user": [1] * 10}}
    assert client.post(FEATURES, json=ask).status_code == 200
    told = client.post(FEATURES, json=ask | {"return": ["age"]}).json()["detail"]
    assert told == "10 rows with 12 values each are 120 values; 60 are allowed"
    rows = {"rows": request_rows(5)}
    assert client.post(PREDICT, json=rows).status_code == 200
    assert "90 values" in client.post(PREDICT, json=rows | {"return": ["features"]}).json()["detail"]
