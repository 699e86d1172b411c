"""PostgreSQL behind TLS: the certificate is checked where the URL says so."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing

import pytest
import trustme
from sqlalchemy import make_url

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from tests.online.async_reading import ask, filled, last, reader_of
from tests.online.postgres.test_async import COUNT
from tests.servers.tls import tls_proxy


@pytest.fixture
def secured(postgres_url, certificates):
    """The URL of an empty database behind TLS."""
    address = make_url(postgres_url)
    with tls_proxy(certificates, address.port or 5432, is_asked=True) as port:
        yield address.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)


def test_a_store_behind_tls_is_written_and_read(secured, certificates):
    url = f"{secured}?sslmode=verify-full&sslrootcert={certificates.authority_file}"
    of = filled(url, COUNT)

    async def main():
        async with reader_of(url) as reader:
            return await reader.fetch([ask(of, 7)])

    [[(row,)]] = asyncio.run(main())
    assert last(row) == 7


def test_a_certificate_of_another_authority_is_refused(secured, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with closing(open_online(f"{secured}?sslmode=verify-full&sslrootcert={other}")) as store:
        with pytest.raises(StoreError, match="certificate verify failed") as caught:
            store.clock()
        assert os.fspath(other) not in caught.value.message
