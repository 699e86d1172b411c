"""The parameters of URLs whose values may stand in a file: what each driver needs, and no secret among them.

A name that is not in the table may be a secret, as `passcode` of Snowflake is, so its value comes from the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

_PAIR: Final = re.compile(r"[?&;]([^=&;?#\s]+)=([^&;#\s]*)")
_FRAGMENT: Final = re.compile(r"#(\S+)")
_FILES: Final = ("sqlite", "duckdb")  # whose names may hold a #
_WITHIN: Final = re.compile(r"[?&;#][\w.-]+=")
_BARE: Final = re.compile(r"[?&;]([^=&;?#\s]+)(?=[&;#]|$)")  # a part of a query without a `=`, or with an encoded one
_BEHIND_SPACE: Final = re.compile(r"\s([\w.-]+)=(\S+)")

_COMMON: Final = (
    "application_name charset client_encoding connect_timeout database db encoding fallback_application_name host mode "
    "port protocol read_timeout schema ssl ssl_ca ssl_cert ssl_check_hostname ssl_key ssl_verify_cert sslcert sslkey "
    "sslmode sslrootcert timeout timezone topic table user username verify write_timeout"
)
_BY_SCHEME: Final[Mapping[str, str]] = {
    "sqlite": "cache catalog_name check_same_thread detect_types immutable isolation_level nolock uri",
    "postgresql": "catalog_name channel_binding dbname gssencmode gsslib hostaddr keepalives keepalives_count "
    "keepalives_idle keepalives_interval krbsrvname load_balance_hosts options passfile replication require_auth "
    "requirepeer service ssl_max_protocol_version ssl_min_protocol_version sslcompression sslcrl sslcrldir "
    "sslnegotiation sslsni target_session_attrs tcp_user_timeout",
    "redshift": "dbname keepalives keepalives_idle options",
    "mysql": "autocommit collation local_infile program_name read_default_file sql_mode ssl_capath ssl_cipher "
    "ssl_disabled ssl_mode unix_socket use_unicode",
    "duckdb": "access_mode memory_limit threads",
    "snowflake": "account authenticator client_session_keep_alive insecure_mode login_timeout network_timeout "
    "ocsp_fail_open private_key_file query_tag region role warehouse",
    "bigquery": "arraysize credentials credentials_path default_query_job_config.maximum_bytes_billed endpoint labels "
    "list_tables_page_size location maximum_bytes_billed priority project storage_endpoint "
    "use_query_cache user_supplied_client",
    "mssql": "applicationintent appname driver encrypt multisubnetfailover tds_version trusted_connection "
    "trustservercertificate",
    "oracle": "encoding events service_name threaded",
    "trino": "catalog client_tags http_scheme roles session_properties source",
    "databricks": "catalog http_path",
    "clickhouse": "client_name compress compression secure",
    "awsathena": "catalog_name region_name s3_staging_dir work_group",
    "kafka": "assignment ca cert check_hostname key mechanism security",
    "redis": "client_name health_check_interval max_connections socket_connect_timeout socket_timeout ssl_ca_certs "
    "ssl_ca_path ssl_cert_reqs ssl_certfile ssl_keyfile",
    "iceberg": "adls.account-name downcast-ns-timestamp-to-us-on-write gcs.project-id glue.endpoint glue.id "
    "glue.region hive.kerberos-authentication prefix py-io-impl rest.signing-name rest.signing-region "
    "rest.sigv4-enabled s3.access-key-id s3.connect-timeout s3.endpoint s3.force-virtual-addressing "
    "s3.path-style-access s3.proxy-uri s3.region s3.role-arn s3.role-session-name scope type uri warehouse "
    "oauth2-server-uri",
}
_ALSO: Final = {
    "mariadb": "mysql", "rediss": "redis", "clickhousedb": "clickhouse", "glue": "iceberg", "thrift": "iceberg",
    "http": "iceberg", "https": "iceberg",
}  # fmt: skip
_OF_CATALOGS: Final = ("sqlite", "postgresql")  # SQL catalogs of Iceberg are there, with properties of their own
_ALLOWED: Final = {
    scheme: frozenset(f"{_COMMON} {names}{' ' + _BY_SCHEME['iceberg'] if scheme in _OF_CATALOGS else ''}".split())
    for scheme, names in _BY_SCHEME.items()
}


def allowed_parameters(scheme: str) -> frozenset[str]:
    """Return the names of parameters, in small letters, whose values may be written out in a URL of a scheme.

    >>> "warehouse" in allowed_parameters("snowflake"), "passcode" in allowed_parameters("snowflake")
    (True, False)
    """
    base = scheme.lower().partition("+")[0]
    return _ALLOWED.get(_ALSO.get(base, base), frozenset(_COMMON.split()))


def unknown_parameters(url: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a URL, each with its value, that may be secrets: those with a value that is not empty.

    What stands behind a `#` is one: drivers read it as part of the last value. So is a parameter within a value.

    >>> list(unknown_parameters("snowflake://ana@acct/shop?warehouse=w&passcode=123456&token="))
    [('passcode', '123456')]
    >>> list(unknown_parameters("postgresql://h/db?sslmode=disable#password=x"))
    [('#', 'password=x')]
    >>> list(unknown_parameters("postgresql://h/db?password%3Dx")), list(unknown_parameters("sqlite:///a#b.db"))
    ([('?', 'password%3Dx')], [])
    >>> list(unknown_parameters("snowflake://ana@acct?role=r%26passcode=123456"))
    [('role', 'r%26passcode=123456')]
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return
    allowed = allowed_parameters(re.split(r"[^a-zA-Z0-9+.-]", scheme)[-1])
    for name, value in _PAIR.findall(rest):
        if value and (name.lower() not in allowed or _WITHIN.search(unquote(value))):
            yield name, value
    is_file = re.split(r"[^a-zA-Z0-9+.-]", scheme)[-1].lower().startswith(_FILES)
    if (fragment := _FRAGMENT.search(rest.partition("?")[2] if is_file else rest)) is not None:
        yield "#", fragment[1]
    query = rest.partition("?")[1] + rest.partition("?")[2].partition("#")[0]
    yield from (("?", part) for part in _BARE.findall(query))
    yield from _BEHIND_SPACE.findall(rest)
