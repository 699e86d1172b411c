"""A client of BigQuery for an address: its credentials, how long it waits, and what fails of it in a line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from featurectl.core.drivers import missing_driver
from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.postgres import NO_ANSWER
from featurectl.core.version import __version__
from featurectl.sources.sql.bigquery_address import BigQueryAddress

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.auth.credentials import Credentials
    from google.cloud.bigquery import Client
    from google.cloud.bigquery_storage import BigQueryReadClient

ANSWER_S: Final = 30.0  # a request that is not answered by then is given up
EMULATOR: Final = "BIGQUERY_EMULATOR_HOST"  # as Google's libraries call it
_SCOPES: Final = ("https://www.googleapis.com/auth/bigquery",)
_NO_CREDENTIALS: Final = "gcloud auth application-default login, or credentials=${FILE} in the URL"
_LONG: Final = re.compile(r"[^\s'\"`]{100,}")  # of a request that is repeated to who sent it: a signature is in it
_MODULES: Final = ("pyarrow", "google.cloud.bigquery")


class BigQueryRefusalError(Exception):
    """BigQuery refuses what it is asked for: a query that is wrong, a table that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQuerySite:
    """A BigQuery at an address; `root` is where files of credentials are looked for whose path is relative."""

    address: BigQueryAddress
    root: Path

    @contextmanager
    def connected(self, prefix: str) -> Iterator[Client]:
        """Give a client; nothing is asked yet. `prefix` begins what is said of a driver or of credentials.

        Raises:
            StoreError: FC605, a module or credentials are missing.
        """
        try:
            for module in _MODULES:
                import_module(module)
        except ImportError as error:
            what, hint = missing_driver("bigquery", "", error)
            raise StoreError(f"{prefix}{what}", code="FC605", hint=hint) from error
        with closing(self.opened(prefix)) as client:
            yield client

    def opened(self, prefix: str) -> Client:
        """Return a client with a connection of its own; see `connected`."""
        from google.api_core.client_info import ClientInfo
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud.bigquery import Client

        credentials, project = self._credentials(prefix)
        if not (self.address.project or project):
            raise StoreError(f"{prefix}it names no project", code="FC605", hint="bigquery://PROJECT/DATASET")
        return Client(
            project=self.address.project or project,
            credentials=credentials,
            _http=AuthorizedSession(credentials, refresh_timeout=ANSWER_S),
            location=self.address.location or None,
            client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
            client_info=ClientInfo(user_agent=f"featurectl/{__version__}"),
        )

    def storage(self, client: Client) -> BigQueryReadClient | None:
        """Return a client of the Storage Read API, which is quicker than pages; None where it is not to be had."""
        place = self.address.storage_endpoint
        if self._is_plain and not place:
            return None
        try:
            from google.cloud import bigquery_storage
        except ImportError:
            return None
        if place.startswith("http://"):
            import grpc
            from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

            # As Google's own channel: a message of rows may be of any size.
            channel = grpc.insecure_channel(place.removeprefix("http://"), [("grpc.max_receive_message_length", -1)])
            return bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
        options = {"api_endpoint": place} if place else None
        return bigquery_storage.BigQueryReadClient(credentials=client._credentials, client_options=options)  # noqa: SLF001  # as it does itself

    @property
    def _endpoint(self) -> str:
        place = self.address.endpoint or os.environ.get(EMULATOR, "")
        return place if not place or "://" in place else f"http://{place}"

    @property
    def _is_plain(self) -> bool:
        """Whether it is spoken to without encryption: an emulator, which is shown no credentials."""
        return self._endpoint.startswith("http://")

    def _credentials(self, prefix: str) -> tuple[Credentials, str]:
        """Return credentials, and the project that they are of, "" where they are of none."""
        import google.auth
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError

        if self._is_plain:
            return AnonymousCredentials(), ""
        try:
            if self.address.credentials:
                return _of_file(self.root / self.address.credentials)
            found, project = google.auth.default(scopes=_SCOPES)
        except (GoogleAuthError, OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else first_line(error)
            message = f"{prefix}its credentials can't be used: {said}"
            raise StoreError(message, code="FC605", hint=_NO_CREDENTIALS) from error
        return found, project or ""


def _of_file(file: Path) -> tuple[Credentials, str]:
    """Return the credentials of a file, and their project: of kinds that begin no program and ask no other server.

    Those that do are the user's own choice, as the environment's `GOOGLE_APPLICATION_CREDENTIALS`.
    """
    from google.oauth2 import credentials, service_account

    try:
        content = json.loads(file.read_text())
    except ValueError:
        raise ValueError("the file is no JSON") from None
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "service_account":
        project = content.get("project_id", "")
        return service_account.Credentials.from_service_account_info(content, scopes=_SCOPES), project
    if kind == "authorized_user":  # OAuth
        return credentials.Credentials.from_authorized_user_info(content, scopes=_SCOPES), ""
    raise ValueError("the file is neither of a service account nor of an authorized user")


def patience() -> Retry:
    """Return how requests are repeated that fail in a way that passes: for as long as one may take."""
    from google.cloud.bigquery import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(ANSWER_S)


@contextmanager
def bigquery_failures(unreachable: str) -> Iterator[None]:
    """Say what fails of BigQuery; `unreachable` begins the message that it can't be reached.

    Raises:
        StoreError: FC605, it can't be reached, or does not answer.
        BigQueryRefusalError: it refuses what it is asked for, with its first line.
    """
    import requests
    from google.api_core.exceptions import BadRequest, Conflict, GoogleAPIError, NotFound
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except FeaturectlError:
        raise
    except (BadRequest, NotFound, Conflict) as error:
        raise BigQueryRefusalError(first_line(error)) from error
    except (GoogleAPIError, GoogleAuthError, requests.RequestException, FutureTimeoutError) as error:
        raise StoreError(f"{unreachable}{_why(error)}", code="FC605") from error


def _why(error: BaseException) -> str:
    """Return in a few words why nothing was answered."""
    import requests
    from google.api_core.exceptions import RetryError

    cause = error.cause if isinstance(error, RetryError) and error.cause is not None else error
    if isinstance(cause, requests.Timeout | FutureTimeoutError):
        return f"{NO_ANSWER} {ANSWER_S:g} s"
    if isinstance(cause, requests.ConnectionError):
        return "no connection"
    return first_line(cause)


def first_line(error: BaseException) -> str:
    """Return the first line of what BigQuery, or a library of Google, said, without the request."""
    errors: Any = getattr(error, "errors", None)
    if isinstance(errors, list | tuple) and errors and isinstance(errors[0], dict) and errors[0].get("message"):
        text = str(errors[0]["message"])
    else:
        text = str(getattr(error, "message", None) or (error.args[0] if error.args else ""))
    return _LONG.sub("***", (text.strip().splitlines() or [type(error).__name__])[0])
