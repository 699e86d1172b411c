"""Keys, sizes, deadlines: what a server refuses, and how."""

from __future__ import annotations

import asyncio

import pytest

from featurectl.core.errors import StoreError
from tests.serving.clicks import request_rows

ASK = {"features": ["spend:count_7d"], "entities": {"user": [1]}}


def test_without_a_key_nobody_is_answered_but_who_watches_the_process(clicks, opened, monkeypatch):
    monkeypatch.setenv("FEATURECTL_API_KEYS", "first, second")
    client = opened(clicks)
    assert client.get("/health").status_code == client.get("/ready").status_code == 200
    for path in ("/metrics", "/v1/models", "/v1/views", "/openapi.json", "/nowhere"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.post("/v1/features", json=ASK).status_code == 401
    assert client.post("/v1/features", json=ASK, headers={"authorization": "Bearer third"}).status_code == 401
    for headers in ({"authorization": "Bearer second"}, {"x-api-key": "first"}, {"x-api-key": "first \t"}):
        assert client.post("/v1/features", json=ASK, headers=headers).status_code == 200


def test_a_body_too_large_is_refused_whether_or_not_its_head_says_so(clicks, opened):
    client = opened(clicks, max_body_bytes=500)
    told = client.post("/v1/features", content=b"x" * 501)
    streamed = client.post("/v1/features", content=iter([b"x" * 300, b"x" * 300]))
    for answer in (told, streamed):
        assert (answer.status_code, answer.json()["detail"]) == (413, "the body is larger than 500 bytes")
    assert client.post("/v1/features", json=ASK).status_code == 200


def test_paths_and_methods_that_are_not_there_are_problems_too(client):
    for answer, status in ((client.get("/v2"), 404), (client.get("/predict"), 405), (client.post("/health"), 405)):
        assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_an_answer_that_takes_too_long_is_given_up(clicks, opened):
    client = opened(clicks, timeout_s=0.2)

    async def never(_requests):
        await asyncio.sleep(60)

    client.app.context.features.store.fetch = never
    answer = client.post("/v1/features", json=ASK)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["detail"] == "no answer within 0.2 s"
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("error", [StoreError("gone", code="FC602"), ValueError("ours")])
def test_a_failing_store_is_503_and_a_fault_of_ours_500_without_its_words(clicks, opened, error, capsys):
    client = opened(clicks, timeout_s=20.0)

    async def fail(_requests):
        raise error

    client.app.context.features.store.fetch = fail
    answer = client.post("/v1/predict/click", json={"rows": request_rows(1)})
    status = 503 if isinstance(error, StoreError) else 500
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ("gone" in answer.text, "ours" in answer.text) == (status == 503, False)
    assert ("ours" in capsys.readouterr().err) == (status == 500)
