"""Bodies in and out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.http.bodies import ENCODER, MOST_NAME, MOST_TEXT
from featurectl.serving.http.problems import Refused

T = TypeVar("T")
FEW_VALUES: Final = 10_000  # are made without giving way: it takes some milliseconds
_TOO_LONG: Final = f"length <= {MOST_TEXT}"  # as msgspec says it
_OF_ANOTHER_ROUTE: Final = {
    "rows": '/v1/features takes columns, {"entities": {"user": [1, 2]}}; rows are for /v1/predict/MODEL',
    "entities": '/v1/predict/MODEL takes rows, {"rows": [{"user": 1}, {"user": 2}]}; entities are for /v1/features',
}
FEW_BYTES: Final = 1 << 16  # are read without giving way


def parsed(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the body of a request.

    Raises:
        Refused: 400, it is no JSON, or not of the form that is asked for; it names the place.
    """
    try:
        return decoder.decode(content)
    except RecursionError as error:
        raise Refused(400, "the body can't be read: it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        if _TOO_LONG in str(error):  # else all of the body would be read once more, which takes long
            _check_long_text(content)
        hint = next((hint for field, hint in _OF_ANOTHER_ROUTE.items() if f"unknown field `{field}`" in str(error)), "")
        raise Refused(400, f"the body can't be read: {error}", hint=hint) from error


def _check_long_text(content: bytes) -> None:
    """Refuse a body with too long a value by the column that has it, which its decoder does not name.

    Raises:
        Refused: 400, FC548.
    """
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for name, row, value in _values(document):
        if isinstance(value, str) and len(value) > MOST_TEXT:
            at = "" if row is None else f" at row {row + 1:,}"
            message = f"{name[:MOST_NAME]}: {len(value):,} characters{at}; at most {MOST_TEXT:,} are allowed"
            raise Refused(400, message, code="FC548")


def _values(document: object) -> Iterator[tuple[str, int | None, object]]:
    """Yield the values of keys and request columns that a body has, whatever it is, with their columns and rows."""
    if not isinstance(document, dict):
        return
    rows, entities = document.get("rows"), document.get("entities")
    for number, row in enumerate(rows if isinstance(rows, list) else ()):
        for name, value in row.items() if isinstance(row, dict) else ():
            yield name, number, value
    for name, column in entities.items() if isinstance(entities, dict) else ():
        for number, value in enumerate(column if isinstance(column, list) else ()):
            yield name, number, value
    if rows is None and entities is None:
        yield from ((name, None, value) for name, value in document.items())


async def give_way() -> None:
    """Let other requests go on, between steps that take long: then this one is given up, too, whose time is over."""
    await asyncio.sleep(0)


class Turns:
    """Lets few requests of many values be worked on at once, so that the others are not held up by all of them.

    Who waits has done little so far: one whose time is over by then has cost nothing more, and small requests, which
    need no turn, come between the steps of few.
    """

    def __init__(self, most: int = 4) -> None:
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def wait(self) -> AsyncIterator[None]:
        """Wait for a turn to make more than `FEW_VALUES`, and have it meanwhile."""
        async with self._free:
            yield


def checked_name(name: str, version_key: str) -> str:
    """Return the name of a model, which is not shown when it can be none; `version_key` names a version of it.

    Raises:
        Refused: 404, it is too long, or names a version, too.
    """
    if len(name) > MOST_NAME:
        raise Refused(404, f"no model has a name of {len(name):,} characters")
    model, at, version = name.partition("@")
    if at:
        shown = version if version.isdecimal() else json.dumps(version)
        raise Refused(
            404, f"{name!r} is no model's name", hint=f'model {model}, with "{version_key}": {shown} in the body'
        )
    return name


def count_values(rows: int, of_each: int, most: int) -> int:
    """Return how many values an answer has: rows, by the values of each.

    Raises:
        Refused: 400, they are too many.
    """
    count = rows * of_each
    if count > most:
        message = f"{rows:,} rows with {of_each:,} values each are {count:,} values; {most:,} are allowed"
        raise Refused(400, message, hint="ask for fewer rows, or less of each, at once")
    return count


async def content_of(request: Request) -> bytes:
    """Return the whole body; others go on before a large one is worked on."""
    content = await request.body()
    if len(content) > FEW_BYTES:
        await give_way()
    return content


class JsonAnswer(Response):
    """A document of JSON with status 200: its head is made of what is known."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def answered_verdict(document: object, *, is_good: bool) -> Response:
    """Return a document as the answer, 503 where it is no."""
    answer = answered(document)
    if not is_good:
        answer.status_code = 503
        answer.headers["retry-after"] = "1"
    return answer


def answered(document: object) -> Response:
    """Return a document as the answer."""
    return JsonAnswer(ENCODER.encode(document))
