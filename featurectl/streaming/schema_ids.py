"""What the ids of Avro schemas mean: asked of a schema registry once each, and held to the file of the repository."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from featurectl.core.errors import StoreError, UsageError
from featurectl.core.variables import expand, shown_location
from featurectl.language.definitions.source import Source
from featurectl.streaming.avro_events import IdProblem, meaning_of, parsed_schema

TIMEOUT_S: Final = 5.0
_ASK_AGAIN_S: Final = 5.0  # about an id that was not there: registries of several hosts agree after a moment
_MOST_UNKNOWN: Final = 10_000
_MOST_BYTES: Final = 4 << 20
_NOT_FOUND: Final = 404


class SchemaIds:
    """Asks a registry, at `url` and called `shown`, whether ids are of a schema; that is the text of `file`."""

    def __init__(
        self, url: str, shown: str, schema: str, file: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"the schema registry {shown} is no http or https URL")
        self._address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
        self._headers = {"accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["authorization"] = f"Basic {base64.b64encode(login).decode()}"
        self._shown, self._file = shown, file
        self._meant = meaning_of(parsed_schema(schema, file))
        self._known: dict[int, str] = {}
        self._unknown: dict[int, float] = {}  # when it was asked about
        self._clock = clock

    def problem(self, schema_id: int) -> str:
        """Return why events of an id are not read, "" where they are: its schema is that of the file.

        Raises:
            StoreError: FC606, the registry does not answer, or refuses.
        """
        if (known := self._known.get(schema_id)) is not None:
            return known
        absent = f"schema {schema_id} is not in the registry"
        if self._clock() - self._unknown.get(schema_id, -_ASK_AGAIN_S) < _ASK_AGAIN_S:
            return absent
        text = self._ask(schema_id)
        if text is None:
            if len(self._unknown) >= _MOST_UNKNOWN:  # bytes that are no ids may be any
                self._unknown.clear()
            self._unknown[schema_id] = self._clock()
            return absent
        try:
            same = meaning_of(parsed_schema(text, f"schema {schema_id} of {self._shown}")) == self._meant
        except UsageError:  # one of another format, or one that refers to others
            same = False
        self._known[schema_id] = "" if same else f"schema {schema_id} of the registry is another than {self._file}"
        return self._known[schema_id]

    def _ask(self, schema_id: int) -> str | None:
        request = urllib.request.Request(f"{self._address}/schemas/ids/{schema_id}", headers=self._headers)  # noqa: S310 (http alone)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                found = json.loads(answer.read(_MOST_BYTES))
                if found.get("schemaType", "AVRO") != "AVRO":
                    return json.dumps(found["schemaType"])
                return str(found["schema"])
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _NOT_FOUND:
                    return None
            raise self._away(f"it answers {error.code}") from None
        except (OSError, HTTPException) as error:
            raise self._away(str(getattr(error, "reason", None) or error) or type(error).__name__) from None
        except (ValueError, KeyError, AttributeError) as error:
            raise self._away("what it answers is no schema") from error

    def _away(self, reason: str) -> StoreError:
        return StoreError(f"the schema registry {self._shown} can't be asked: {reason[:200]}", code="FC606")


def id_problem_of(source: Source, environ: Mapping[str, str]) -> IdProblem | None:
    """Return what tells whether the ids in a source's events are of its schema; None: it names no registry.

    Raises:
        UsageError: a variable of the address is not set, or it is none.
    """
    stream = source.stream
    if stream is None or not stream.registry:
        return None
    url = expand(stream.registry, environ, f"source {source.name}: stream.registry")
    return SchemaIds(url, shown_location(stream.registry), stream.schema, stream.schema_path).problem
