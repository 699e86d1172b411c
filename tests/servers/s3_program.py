"""The program of the S3 for tests: moto's server on a port, without what it does at each request and nobody needs."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import nullcontext
from functools import cache
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class Services(DomainDispatcherApplication):
    """Which service a host is of, found once: moto lists the folder of its services each time.

    Objects that are written unless they are there are written one after the other: moto looks first and writes then,
    so that of two at once both were told that they had made it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._making = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._making if "HTTP_IF_NONE_MATCH" in environ else nullcontext():
            return super().__call__(environ, start_response)

    def get_backend_for_host(self, host: str | None) -> Any:
        return self._backend(host)

    @cache  # noqa: B019  # there is one, for as long as the process lives
    def _backend(self, host: str | None) -> Any:
        return super().get_backend_for_host(host)


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    run_simple(
        "127.0.0.1", int(sys.argv[1]), Services(create_backend_app), threaded=True, request_handler=MotoRequestHandler
    )
