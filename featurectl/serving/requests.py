"""Bodies in and out."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.bodies import ENCODER
from featurectl.serving.problems import Refused

T = TypeVar("T")


async def parsed(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the body of a request.

    Raises:
        Refused: 400, it is no JSON, or not of the form that is asked for; it names the place.
    """
    content = await request.body()
    try:
        return decoder.decode(content)
    except RecursionError as error:
        raise Refused(400, "the body can't be read: it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise Refused(400, f"the body can't be read: {error}") from error


def answered(document: object) -> Response:
    """Return a document as the answer."""
    return Response(ENCODER.encode(document), media_type="application/json")
