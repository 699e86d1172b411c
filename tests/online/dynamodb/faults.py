"""What goes wrong between a store and DynamoDB, put in at the client that sends the requests."""

# ruff: noqa: SLF001  # disturbs single requests, as no caller can

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from featurectl.online.dynamodb.connect import DynamoLink

THROTTLED = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
TROUBLE = "com.amazonaws.dynamodb.v20120810#InternalServerError"


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Any:
        yield self._content


def refusal(url: str, kind: str, status: int = 400) -> AWSResponse:
    """Return an answer of DynamoDB that refuses a request."""
    content = json.dumps({"__type": kind, "message": f"made for a test: {kind.rpartition('#')[2]}"}).encode()
    return AWSResponse(url, status, {"content-type": "application/x-amz-json-1.0"}, _Body(content))


def operation_of(request: Any) -> str:
    """Return what a request asks for, like `PutItem`."""
    target = request.headers["X-Amz-Target"]
    text: str = target.decode() if isinstance(target, bytes) else target
    return text.rpartition(".")[2]


@dataclass
class Faults:
    """Counts the requests of a link, and decides of each whether it is `refused` (an answer, or None)."""

    link: DynamoLink
    sent: Counter[str] = field(default_factory=Counter)
    refused: Callable[[str, int], tuple[str, int] | None] = lambda _operation, _number: None
    breaks: Callable[[str, int], bool] = lambda _operation, _number: False
    error: Exception = field(default_factory=lambda: ConnectionClosedError(endpoint_url="http://127.0.0.1"))

    def __post_init__(self) -> None:
        events = self.link._opened().meta.events
        events.register("before-send.dynamodb", self._before)
        events.register("after-call.dynamodb", self._after)
        self._thread = threading.local()
        self._lock = threading.Lock()

    def _before(self, request: Any, **_: object) -> AWSResponse | None:
        operation = operation_of(request)
        with self._lock:
            self.sent[operation] += 1
            self._thread.number = number = self.sent[operation]
        found = self.refused(operation, number)
        return None if found is None else refusal(request.url, *found)

    def _after(self, model: Any, **_: object) -> None:
        """Lose the answer of a request that was carried out."""
        if self.breaks(model.name, self._thread.number):
            raise self.error


def leave_out(link: DynamoLink) -> Counter[str]:
    """Let a server carry out a half of each batch of more than one, and count the batches that were sent."""
    sent: Counter[str] = Counter()

    def halve_asked(params: Any, model: Any, context: Any, **_: object) -> None:
        body = json.loads(params["body"])
        [(table, asked)] = body["RequestItems"].items()
        rows = asked["Keys"] if isinstance(asked, dict) else asked
        half = max(len(rows) // 2, 1)
        context["left"] = (table, rows[half:], asked if isinstance(asked, dict) else None)
        body["RequestItems"] = {table: asked | {"Keys": rows[:half]} if isinstance(asked, dict) else rows[:half]}
        params["body"] = json.dumps(body).encode()
        sent[model.name] += 1

    def say_left(parsed: Any, context: Any, **_: object) -> None:
        table, rows, asked = context["left"]
        name = "UnprocessedItems" if asked is None else "UnprocessedKeys"
        if rows:
            parsed[name] = {table: _decoded(rows) if asked is None else asked | {"Keys": _decoded(rows)}}

    events = link._opened().meta.events
    for operation in ("BatchGetItem", "BatchWriteItem"):
        events.register(f"before-call.dynamodb.{operation}", halve_asked)
        events.register(f"after-call.dynamodb.{operation}", say_left)
    return sent


def _decoded(value: Any) -> Any:
    """Return what a body says as a client reads it: binary values as bytes."""
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    if isinstance(value, dict):
        return {key: b64decode(one) if key == "B" else _decoded(one) for key, one in value.items()}
    return value
