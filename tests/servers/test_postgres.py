import psycopg

from tests.servers import postgres


def test_two_tests_never_share_a_database(postgres_server):
    with postgres_server.database() as one, postgres_server.database() as other:
        with psycopg.connect(one) as connection:
            connection.execute("create table seen (id int)")
        with psycopg.connect(other) as connection:
            assert connection.execute("select to_regclass('seen')").fetchone() == (None,)


def test_a_database_is_dropped_after_its_test(postgres_server):
    with postgres_server.database() as url:
        name = url.rsplit("/", 1)[1]
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None


def test_the_wheels_server_runs_from_a_copy_where_its_folder_is_closed(monkeypatch):
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setattr(postgres.shutil, "which", lambda _name: None)
    monkeypatch.setattr(postgres, "_runs", lambda _program, _user: False)
    with postgres.running_postgres() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
