"""`kafka://` URLs as settings of the client, and its failures in our words.

    kafka://[USER:PASSWORD@]HOST[:9092][,HOST[:9092]...][/][?NAME=VALUE&...]

`PARAMETERS` has the names that a URL may give. With a user the connection is TLS with SASL, unless `security` says
otherwise; user and password are written as in any URL, `%40` for an `@`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote

from confluent_kafka import KafkaError, KafkaException

from featurectl.core.errors import NoAnswerError, StoreError, UsageError
from featurectl.core.secrets import address_secrets, address_users, hide_repeated

T = TypeVar("T")
ClientSettings = dict[str, str | int | bool]

PARAMETERS: Final[Mapping[str, str]] = {
    "security": "plaintext, ssl, sasl_plaintext or sasl_ssl",
    "mechanism": "of SASL: PLAIN (the default), SCRAM-SHA-256 or SCRAM-SHA-512",
    "ca": "a file of the authorities that are trusted, PEM; those of the system by default",
    "cert": "a file with the client's certificate, PEM",
    "key": "a file with its key, PEM",
    "key_password": "the password of that file",
    "check_hostname": "no: the certificate may be another host's",
    "assignment": "cooperative-sticky (the default), or range, for a broker that knows nothing else",
}
_FILES: Final = {
    "ca": "ssl.ca.location",
    "cert": "ssl.certificate.location",
    "key": "ssl.key.location",
    "key_password": "ssl.key.password",
}
_FILE_SETTINGS: Final = {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location"}
_HOST_WITH_PORT: Final = re.compile(r".+:\d{1,5}")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/?#,]+)(:\d{1,5})?")
_EAGER: Final = "range"
COOPERATIVE: Final = "cooperative-sticky"
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "security": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "assignment": (COOPERATIVE, _EAGER),
    "check_hostname": ("yes", "no"),
}
_HINT: Final = "write it like kafka://host:9092,other:9092?ca=FILE; parameters: " + ", ".join(PARAMETERS)
_AWAY: Final = (
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the client's own errors begin so
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    KafkaError.REQUEST_TIMED_OUT,
)
_REFUSED: Final = (
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
UNKNOWN_TOPIC: Final = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_ID,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAddress:
    """Where a Kafka is and how long it is waited for; `settings` are what all its clients share, with secrets."""

    url: str = field(repr=False)
    shown: str
    limit_s: float
    settings: ClientSettings = field(repr=False)
    assignment: str = COOPERATIVE

    @property
    def is_eager(self) -> bool:
        """Whether readers give up all partitions whenever they are divided anew."""
        return self.assignment == _EAGER


def parse_kafka_url(url: str, shown: str, limit_s: float) -> KafkaAddress:
    """Return the address that a URL says.

    Raises:
        UsageError: it is none, or has parameters that are not known.

    >>> address = parse_kafka_url("kafka://ana:p%40ss@one,two:9093?mechanism=SCRAM-SHA-256", "kafka://...", 10)
    >>> address.settings["bootstrap.servers"], address.settings["security.protocol"], address.settings["sasl.password"]
    ('one:9092,two:9093', 'sasl_ssl', 'p@ss')
    """
    login, _, rest = url.partition("://")[2].rpartition("@")
    place, _, query = rest.partition("?")
    hosts = place.removesuffix("/").split(",")
    if not all(map(_HOST.fullmatch, hosts)):
        raise UsageError(f"the address of topics {shown} is no URL of Kafka", hint=_HINT)
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in sorted(given.keys() - PARAMETERS.keys()):
        raise UsageError(f"the address of topics {shown} has a parameter {name!r} that is not known", hint=_HINT)
    for name, known in _CHOICES.items():
        if given.get(name, known[0]) not in known:
            hint = f"{name} is one of " + ", ".join(known)
            raise UsageError(f"the address of topics {shown} has a value of {name!r} that is not known", hint=hint)
    settings: ClientSettings = {
        "bootstrap.servers": ",".join(host if _HOST_WITH_PORT.fullmatch(host) else f"{host}:9092" for host in hosts),
        "client.id": "featurectl",
        "socket.timeout.ms": int(limit_s * 1_000),
        "socket.connection.setup.timeout.ms": int(max(1, min(limit_s, 5)) * 1_000),
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        "log_level": 0,  # what it would print is raised here
        **_secured(login, given),
    }
    assignment = given.get("assignment", COOPERATIVE)
    return KafkaAddress(url=url, shown=shown, limit_s=limit_s, settings=settings, assignment=assignment)


def _secured(login: str, given: Mapping[str, str]) -> ClientSettings:
    """Return the settings of TLS and SASL."""
    settings: ClientSettings = {_FILES[name]: value for name, value in given.items() if name in _FILES}
    default = "sasl_ssl" if login else "ssl" if settings else "plaintext"
    security = settings["security.protocol"] = given.get("security", default)
    if given.get("check_hostname") == "no":
        settings["ssl.endpoint.identification.algorithm"] = "none"
    if security.startswith("sasl"):
        user, _, password = login.partition(":")
        settings["sasl.mechanism"] = given.get("mechanism", "PLAIN")
        settings |= {"sasl.username": unquote(user), "sasl.password": unquote(password)}
    return settings


def kafka_error(address: KafkaAddress, error: KafkaError | KafkaException) -> StoreError:
    """Return a failure of the client as ours."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    secrets = address_secrets(address.url) | address_users(address.url)
    text = hide_repeated(cause.str() if isinstance(cause, KafkaError) else str(cause), secrets)
    code = cause.code() if isinstance(cause, KafkaError) else None
    if code in _AWAY:
        hint = "is the broker running, and is `streams:` of the environment its address?"
        return NoAnswerError(f"the topics {address.shown} can't be reached: {text}", code="FC606", hint=hint)
    if code in _REFUSED:
        hint = "write them like kafka://${KAFKA_USER}:${KAFKA_PASSWORD}@host:9092?mechanism=SCRAM-SHA-256&ca=FILE"
        return StoreError(
            f"the topics {address.shown} refuse the user, or the connection: {text}", code="FC606", hint=hint
        )
    return StoreError(f"the topics {address.shown} refuse: {text}", code="FC606")


def open_kafka_client(address: KafkaAddress, kind: type[T], own: Mapping[str, object]) -> T:
    """Return a client with the settings of an address and some of its own; nothing is connected yet.

    Raises:
        UsageError: the settings can't be: a file is not there.
    """
    for name in sorted(_FILE_SETTINGS & address.settings.keys()):
        if not Path(str(address.settings[name])).is_file():
            raise UsageError(f"there is no file {address.settings[name]}, which the address {address.shown} names")
    try:
        return kind({**address.settings, **own})  # type: ignore[call-arg]  # all of its clients take settings
    except KafkaException as error:
        text = hide_repeated(str(error.args[0]), address_secrets(address.url) | address_users(address.url))
        raise UsageError(f"the address of topics {address.shown} can't be used: {text}", hint=_HINT) from error


@contextmanager
def translated(address: KafkaAddress) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except KafkaException as error:
        raise kafka_error(address, error) from error
