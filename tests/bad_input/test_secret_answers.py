"""Stores and notifiers that answer with all that they were sent: what they say of a secret is nowhere shown or kept."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from itertools import product
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.bad_input.shop import OBJECTS, PROJECT, copy_shop
from tests.offline.test_secret_endpoints import ENVIRON
from tests.servers.echo import echoing_http, echoing_redis

USER = "user-CANARY-1"
PASSWORDS = ("CANARY-7193", "p@CANARY'\"w/2:x", "<CANARY é>&#-long")
ALERT = """alerts:
  - {name: late, when: freshness > 1s, severity: warning, notify: [ops]}
notifiers:
  - {name: ops, webhook: "${HOOK}"}
"""
ANSWERS = (
    "ERR unknown command '{name}', with args beginning with: {all}",
    "ERR {all} is not allowed",
    "WRONGPASS {all}",
)
PLACES = {"online": "sqlite:///.featurectl/online.db", "offline": ".featurectl/offline"}
COMMANDS = ("plan", "push", "get spend customer=a", "status -v", "verify --store", "why spend", "monitor check")
LOOKS = ("/ready", "/fresh", "/metrics", "/v1/models", "/health")


def pieces(password):
    """All that would tell a password: itself as others write it, and its login as it is sent."""
    login = b64encode(f"{USER}:{password}".encode()).decode()
    known = {password, quote(password, safe=""), html.escape(password), json.dumps(password)[1:-1], login[:16]}
    return known | {"CANARY", b64encode(b"xxCANARY").decode()[4:10]}


def placed(root, monkeypatch, **places):
    """A repository with some stores elsewhere, and an alert that fires and has somewhere to go."""
    project = PROJECT
    for name, value in places.items():
        project = project.replace(f"{name}: {PLACES[name]}", f"{name}: {json.dumps(value)}")
    (root / "featurectl.yaml").write_text(project)
    (root / "objects.yaml").write_text(OBJECTS + ALERT)
    monkeypatch.chdir(root)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return root


def check_commands(commands, password, capsys):
    """Run commands as text and as JSON; return all that they said."""
    said = ""
    for command, form in product(commands, ([], ["-o", "json"])):
        code = main([*command.split(), *form])
        out, err = capsys.readouterr()
        assert [piece for piece in pieces(password) if piece in out + err] == [], (command, form, code, out, err)
        assert code != 70, err
        said += out + err
    return said


def check_server(root, password, capsys):
    """Ask a server for all that needs no key, and for features and scores; return the problems that it told of."""
    app = open_app(ServeSettings(root=str(root), timeout_s=20.0, store_timeout_s=2.0, log_format="json"))
    with TestClient(app, raise_server_exceptions=False) as client:
        features = {"features": ["spend:count_7d"], "entities": {"customer": ["a"]}}
        answers = [client.get(look).text for look in LOOKS]
        answers.append(client.post("/v1/features", json=features).text)
        answers.append(client.post("/v1/predict/pays", json={"rows": [{"customer": "a", "n": 1}]}).text)
    out, err = capsys.readouterr()
    told = "\n".join([*answers, out, err])
    assert [piece for piece in pieces(password) if piece in told] == [], told
    return "\n".join(json.loads(answers[0])["problems"])


def check_files(root, password):
    """See that nothing is in what commands have left: records of runs, the registry, logs of crashes."""
    for path in (path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert [piece for piece in pieces(password) if piece.encode() in content] == [], path


def check_online(case, root, monkeypatch, capsys):
    scheme, answer, password = case
    with echoing_redis(answer) as port, echoing_http(200) as hook:
        placed(root, monkeypatch, online="${WHERE}")
        monkeypatch.setenv("WHERE", f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/0")
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{hook}/x")
        assert main(["apply", "--auto-approve"]) in (0, 69)
        assert "the online store ${WHERE}" in check_commands(COMMANDS, password, capsys)
        assert "the online store ${WHERE}" in check_server(root, password, capsys)
    check_files(root, password)


ONLINE = list(product(("redis", "redis+cluster"), ANSWERS, PASSWORDS))


@pytest.mark.sample(1)
@pytest.mark.parametrize("case", [ONLINE[1], ONLINE[14]], ids=["redis", "cluster"])
def test_no_online_store_that_repeats_a_password_gives_it_away(case, made, tmp_path, monkeypatch, capsys):
    check_online(case, copy_shop(made, tmp_path / "shop"), monkeypatch, capsys)


@pytest.mark.stress
def test_no_online_store_gives_a_password_away_in_any_way(made, tmp_path, monkeypatch, capsys):
    for number, case in enumerate(ONLINE):
        check_online(case, copy_shop(made, tmp_path / str(number)), monkeypatch, capsys)


@pytest.mark.sample(1)
@pytest.mark.parametrize("told", [True, False])
def test_no_object_store_that_repeats_a_login_gives_it_away(told, made, tmp_path, monkeypatch, capsys):
    root, password = copy_shop(made, tmp_path / "shop"), PASSWORDS[0]
    with echoing_http(400, told=told) as port:
        placed(root, monkeypatch, offline="s3://bucket/place")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{USER}:{password}@127.0.0.1:{port}")
        said = check_commands(("materialize", "status -v", "why spend", "verify"), password, capsys)
        assert "can't be" in said
        assert "can't be read" in check_server(root, password, capsys)
    check_files(root, password)


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_webhook_that_repeats_a_login_gives_it_away(password, made, tmp_path, monkeypatch, capsys):
    root = placed(copy_shop(made, tmp_path / "shop"), monkeypatch)
    with echoing_http(400) as port:
        monkeypatch.setenv("HOOK", f"http://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/x")
        said = check_commands(("apply --auto-approve", "monitor check", "history -v"), password, capsys)
        assert "the webhook answered 400" in said
    check_files(root, password)
