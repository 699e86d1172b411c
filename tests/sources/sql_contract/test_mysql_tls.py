"""Connections to MariaDB are encrypted, and the server checked where the address names an authority."""

from __future__ import annotations

import pytest
import trustme

from featurectl.core.errors import StoreError
from tests.servers.mariadb import started_mariadb
from tests.sources.sql_contract.kinds import MARIADB, Database

pytestmark = pytest.mark.guests
QUERY = "select variable_value as a from information_schema.session_status where variable_name = 'ssl_version'"


def test_an_address_with_an_authority_is_encrypted_and_checked(tmp_path, monkeypatch):
    ours, other = trustme.CA(), trustme.CA()
    issued = ours.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    for name, authority in (("ours", ours), ("other", other)):
        authority.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    options = [f"--ssl-{word}={tmp_path}/{file}" for word, file in (("cert", "server.pem"), ("key", "server.key"))]
    with started_mariadb(*options) as server, server.database() as url:
        database = Database(MARIADB, tmp_path, url, monkeypatch)
        assert database.read(QUERY).rows()[0][0].startswith("TLSv1")  # as it is offered, and not checked
        database.url = f"{url}?ssl_ca={tmp_path}/ours.pem"
        assert database.read(QUERY).rows()[0][0].startswith("TLSv1")
        database.url = f"{url}?ssl_ca={tmp_path}/other.pem"
        with pytest.raises(StoreError, match="certificate verify failed") as caught:
            database.read(QUERY)
        assert caught.value.code == "FC605"
