"""The program of the DynamoDB for tests: moto's server on a port, closer to DynamoDB in two things.

Its conditions are atomic, as requests are carried out one after the other; moto's threads would cut into each other.
And binary values compare by their bytes, not by the letters of their base64.
"""

from __future__ import annotations

import base64
import logging
import sys
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class OneAfterTheOther(DomainDispatcherApplication):
    """Which service a host is of, found once: moto lists the folder of its services each time."""

    turns = threading.Lock()  # the class above has a `lock`

    def get_backend_for_host(self, host: str | None) -> Any:
        return self._backend(host)

    @cache  # noqa: B019  # there is one, for as long as the process lives
    def _backend(self, host: str | None) -> Any:
        return super().get_backend_for_host(host)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.turns:
            answer: Iterable[bytes] = super().__call__(environ, start_response)
            return answer


class KeptConnections(MotoRequestHandler):
    """Connections stay open, as DynamoDB's do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def compare_bytes() -> None:
    """Let binary values compare by their bytes."""
    by_text: Any = vars(DynamoType)["cast_value"]

    def cast_value(value: DynamoType) -> Any:
        is_text = value.type == "B" and isinstance(value.value, str)
        return base64.b64decode(value.value) if is_text else by_text.fget(value)

    setattr(DynamoType, "cast_value", property(cast_value))  # noqa: B010  # its types know a method, not a property


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    compare_bytes()
    app = OneAfterTheOther(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=KeptConnections)
