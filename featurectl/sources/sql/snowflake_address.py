"""URLs of Snowflake as its ADBC driver takes them: accounts, roles, key pairs, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

_SQL: Final = "adbc.snowflake.sql."
_CLIENT: Final = f"{_SQL}client_option."
_ALWAYS: Final = {
    f"{_CLIENT}disable_telemetry": "true",
    f"{_CLIENT}login_timeout": "15s",
    f"{_CLIENT}max_timestamp_precision": "microseconds",  # nanoseconds reach from 1677 to 2262 alone
    f"{_CLIENT}use_high_precision": "true",
    "MULTI_STATEMENT_COUNT": "1",  # as it is by default: a query is one statement
}
_PLAIN: Final = {
    "warehouse": f"{_SQL}warehouse", "role": f"{_SQL}role", "host": f"{_SQL}uri.host", "port": f"{_SQL}uri.port",
    "protocol": f"{_SQL}uri.protocol", "token": f"{_CLIENT}auth_token",
    "private_key_file_pwd": f"{_CLIENT}jwt_private_key_pkcs8_password", "query_tag": "QUERY_TAG",
}  # fmt: skip
_AUTHENTICATORS: Final = {
    "snowflake": "auth_snowflake", "oauth": "auth_oauth", "snowflake_jwt": "auth_jwt",
    "programmatic_access_token": "auth_pat", "externalbrowser": "auth_ext_browser",
    "username_password_mfa": "auth_mfa",
}  # fmt: skip
_OWN: Final = ("authenticator", "private_key_file")
PARAMETERS: Final = (*_PLAIN, *_OWN)


class UnknownParameterError(ValueError):
    """A URL has a parameter that the driver is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeAddress:
    """What the driver is opened with, secrets among it, and the URL of the server."""

    options: Mapping[str, str] = field(repr=False)
    endpoint: str


def snowflake_address(url: str, timezone: str, file: Callable[[str], Path]) -> SnowflakeAddress:
    """Return what a URL means; the clock of its session is that of a time zone, `file` makes a path of a file's name.

    Raises:
        UnknownParameterError: it has a parameter that is not known here.
        ValueError: it can't be meant.
        OSError: the file of the private key can't be read.
    """
    try:
        read = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError("it is no database URL") from error
    if not read.host:
        raise ValueError("it names no account: snowflake://USER@ACCOUNT/DATABASE/SCHEMA")
    given = {name: value if isinstance(value, str) else value[-1] for name, value in read.query.items()}
    if unknown := sorted(given.keys() - {*PARAMETERS}):
        raise UnknownParameterError(f"it has the parameter {unknown[0]!r}; there are {', '.join(PARAMETERS)}")
    database, _, schema = (read.database or "").partition("/")
    options = {
        **_ALWAYS, "TIMEZONE": timezone, f"{_SQL}account": read.host, "username": read.username or "",
        "password": read.password or "", f"{_SQL}db": database, f"{_SQL}schema": schema,
        **{_PLAIN[name]: value for name, value in given.items() if name in _PLAIN},
    }  # fmt: skip
    options |= _login(given, file)
    return SnowflakeAddress(
        options={name: value for name, value in options.items() if value}, endpoint=_endpoint(read.host, given)
    )


def _login(given: Mapping[str, str], file: Callable[[str], Path]) -> Mapping[str, str]:
    key, token = given.get("private_key_file"), given.get("token")
    usual = "snowflake_jwt" if key else "oauth" if token else "snowflake"
    named = given.get("authenticator", usual).lower()
    if named not in _AUTHENTICATORS:
        raise ValueError(f"its authenticator is {named!r}; there are {', '.join(_AUTHENTICATORS)}")
    found = {f"{_SQL}auth_type": _AUTHENTICATORS[named]}
    if named == "snowflake_jwt":
        if not key:
            raise ValueError("it names no private_key_file")
        found |= _key(file(key))
    if named in ("oauth", "programmatic_access_token") and not token:
        raise ValueError("it has no token: token=${NAME}")
    return found


def _key(file: Path) -> Mapping[str, str]:
    try:
        text = file.read_text("ascii")
    except UnicodeDecodeError:
        text = ""
    if "PRIVATE KEY-----" not in text:
        raise ValueError(f"its private_key_file {file} holds no private key in PEM")
    if "BEGIN RSA PRIVATE KEY" in text:
        return {f"{_CLIENT}jwt_private_key": str(file)}
    return {f"{_CLIENT}jwt_private_key_pkcs8_value": text}


def _endpoint(account: str, given: Mapping[str, str]) -> str:
    country = "cn" if account.partition(".")[2].startswith("cn-") else "com"
    host = given.get("host") or f"{account}.snowflakecomputing.{country}"
    port = f":{given['port']}" if "port" in given else ""
    return f"{given.get('protocol', 'https')}://{host}{port}/"
