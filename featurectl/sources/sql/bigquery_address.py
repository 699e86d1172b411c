"""The URL of a BigQuery: project, dataset, and what its parameters say of cost, place and credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from featurectl.core.nearest import did_you_mean

PARAMETERS: Final = (
    "location", "credentials", "maximum_bytes_billed", "labels", "priority", "use_query_cache", "endpoint",
    "storage_endpoint",
)  # fmt: skip
FORM: Final = "bigquery://PROJECT/DATASET?location=EU"
_OF_SQLALCHEMY: Final = {"credentials_path": "credentials", "arraysize": ""}  # of its dialect; "" means nothing here
_NAME: Final = re.compile(r"[A-Za-z0-9_.:\- ]*")
_GOOGLE: Final = re.compile(r"(https://)?([a-z0-9-]+\.)*googleapis\.com(:\d+)?/?", re.IGNORECASE)
_PRIORITIES: Final = ("interactive", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQueryAddress:
    """What a URL of a BigQuery says; "" and None where it says nothing.

    `project` is the one that pays; `names` are the dataset, and the table where one is named. `labels` are put on
    each job. `endpoint` and `storage_endpoint` are other addresses of its two interfaces: private ones of Google, or an
    emulator's, by http://.
    """

    project: str
    names: tuple[str, ...]
    location: str = ""
    credentials: str = ""
    maximum_bytes_billed: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: str = ""
    use_query_cache: bool = True
    endpoint: str = ""
    storage_endpoint: str = ""

    @property
    def dataset(self) -> str:
        """The dataset, "" where none is named."""
        return self.names[0] if self.names else ""


def bigquery_address(url: str) -> BigQueryAddress:
    """Return what a URL says: `bigquery://PROJECT/DATASET?location=EU&maximum_bytes_billed=10000000000`.

    >>> address = bigquery_address("bigquery://shop-1/sales?location=EU&labels=team:ml,env:prod")
    >>> address.project, address.dataset, address.location, address.labels
    ('shop-1', 'sales', 'EU', {'team': 'ml', 'env': 'prod'})
    >>> bigquery_address("bigquery://shop/sales?maximum_bytes=1")
    Traceback (most recent call last):
    ValueError: no parameter of BigQuery is called 'maximum_bytes': did you mean "maximum_bytes_billed"?

    Raises:
        ValueError: it says something that can't be meant; the text names it, and holds no secret.
    """
    place, _, query = url.partition("://")[2].partition("?")
    parts = [unquote(part) for part in place.rstrip("/").split("/")]
    if len(parts) > 3 or not all(map(_NAME.fullmatch, parts)) or not all(parts[1:]):
        raise ValueError(f"it is not of the form {FORM}")
    given = _given(query)
    return BigQueryAddress(
        project=parts[0],
        names=tuple(parts[1:]),
        location=given.get("location", ""),
        credentials=given.get("credentials", ""),
        maximum_bytes_billed=_whole(given, "maximum_bytes_billed"),
        labels=_labels(given.get("labels", "")),
        priority=_one_of(given, "priority", _PRIORITIES).upper(),
        use_query_cache=_one_of(given, "use_query_cache", ("true", "false")) != "false",
        endpoint=_endpoint(given, "endpoint"),
        storage_endpoint=_endpoint(given, "storage_endpoint"),
    )


def _given(query: str) -> Mapping[str, str]:
    """Return the parameters by their names here."""
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        written, _, value = pair.partition("=")
        name = _OF_SQLALCHEMY.get(written, written)
        if name and name not in PARAMETERS:
            known = did_you_mean(written, PARAMETERS) or f"there are {', '.join(PARAMETERS)}"
            raise ValueError(f"no parameter of BigQuery is called {written!r}: {known}")
        if name in found:
            raise ValueError(f"it says {name} twice")
        if name:
            found[name] = unquote(value)
    return found


def _whole(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{name} is no whole number of bytes")
    return int(value)


def _labels(value: str) -> Mapping[str, str]:
    pairs = [pair.partition(":") for pair in value.split(",") if pair]
    if any(not key or not mark for key, mark, _ in pairs):
        raise ValueError("labels are not of the form KEY:VALUE,KEY:VALUE")
    return {key: label for key, _, label in pairs}


def _endpoint(given: Mapping[str, str], name: str) -> str:
    """Return an address of an interface; one that is shown credentials has to be Google's."""
    value = given.get(name, "")
    if value and not value.startswith("http://") and not _GOOGLE.fullmatch(value):
        raise ValueError(f"{name} is neither of googleapis.com nor http://, which is shown no credentials")
    return value


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name, "").lower()
    if value and value not in allowed:
        raise ValueError(f"{name} is none of {', '.join(allowed)}")
    return value
