"""PostgreSQL behind TLS of its own: the certificate is checked where the URL says so."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from tests.online.postgres.test_async import ask, filled, last, reader_of
from tests.servers.postgres import own_postgres, server_user


@pytest.fixture(scope="module")
def secured():
    """A server with a certificate, and the file of the authority that made it."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory(prefix="featurectl-tls-") as folder:
        ca, certificate, key = (Path(folder) / name for name in ("ca.pem", "server.pem", "server.key"))
        authority.cert_pem.write_to_path(str(ca))
        made = authority.issue_cert("127.0.0.1", "localhost")
        made.private_key_pem.write_to_path(str(key))
        made.cert_chain_pems[0].write_to_path(str(certificate))
        key.chmod(0o600)
        if user := server_user():
            Path(folder).chmod(0o755)
            shutil.chown(key, user)
        settings = ("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
        with own_postgres(*settings) as own:
            yield own.server.url, ca


def test_a_store_behind_tls_is_written_and_read(secured):
    url, ca = secured
    of = filled(f"{url}?sslmode=verify-full&sslrootcert={ca}")

    async def main():
        async with reader_of(f"{url}?sslmode=verify-full&sslrootcert={ca}") as reader:
            return await reader.fetch([ask(of, 7)])

    [[(row,)]] = asyncio.run(main())
    assert last(row) == 7


def test_a_certificate_of_another_authority_is_refused(secured, tmp_path):
    url, _ = secured
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with closing(open_online(f"{url}?sslmode=verify-full&sslrootcert={other}")) as store:
        with pytest.raises(StoreError, match="certificate verify failed") as caught:
            store.clock()
        assert os.fspath(other) not in caught.value.message
