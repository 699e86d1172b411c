import psycopg
import pytest

from tests.servers import postgres


def test_two_tests_never_share_a_database(postgres_server):
    with postgres_server.database() as one, postgres_server.database() as other:
        with psycopg.connect(one) as connection:
            connection.execute("create table seen (id int)")
        with psycopg.connect(other) as connection:
            assert connection.execute("select to_regclass('seen')").fetchone() == (None,)


def test_a_database_is_empty_again_after_its_test(postgres_server):
    with postgres_server.database() as url:
        left_open = psycopg.connect(url, autocommit=True)
        left_open.execute("create table seen (id int); create schema other; create table other.seen (id int)")
    with postgres_server.database() as again, psycopg.connect(again) as connection:
        assert again == url
        found = connection.execute("select to_regclass('seen'), to_regnamespace('other')").fetchone()
    assert found == (None, None)
    with pytest.raises(psycopg.OperationalError), left_open:
        left_open.execute("select 1")


@pytest.mark.long
def test_the_wheels_server_runs_from_a_copy_where_its_folder_is_closed(monkeypatch):
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setattr(postgres.shutil, "which", lambda _name: None)
    monkeypatch.setattr(postgres, "_runs", lambda _program, _user: False)
    with postgres.running_postgres() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
