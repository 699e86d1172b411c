"""A secret in every place where one can stand is in nothing that a command says, and in no file that it leaves."""

from __future__ import annotations

import json
import random
from itertools import product
from urllib.parse import quote

import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import OBJECTS, PROJECT, copy_shop

PLAIN, ODD = "canary-7193", "can@ry/71:93?x#y-long"  # what a driver reads, and what it stumbles over
QUOTED = "can'ry 71<93>x-long"  # what ends an address in other texts
SECRETS = (PLAIN, ODD, quote(ODD, safe=""), QUOTED)
PIECES = (PLAIN, "can@ry", "ry/71", "93?x", "y-long", "can%40ry", "%2F71", "can'ry", "71<93", "93>x")
REGISTRIES = (
    "postgresql://ana:PW@127.0.0.1:1/db",
    "postgresql://127.0.0.1:1/db?password=PW&connect_timeout=2",
    "postgresql://ana:PW@127.0.0.1:1/db?no_such_option=PW",
    "postgresql://ana:PW@127.0.0.1:port/db",
    "mysql://ana:PW@host/db",
)
OUTS = (
    "postgresql://127.0.0.1:1/db?password=PW&table=scores",
    "postgresql://ana:PW@127.0.0.1:1/db?table=scores",
    "postgresql://ana:PW@127.0.0.1:1/db",
    "postgresql://ana:PW@127.0.0.1:port/db?table=x",
    "mysql://ana:PW@host/db?table=x",
)
PLACES = {
    "registry": REGISTRIES,
    "online": (
        "redis://ana:PW@127.0.0.1:1/0",
        "redis://:PW@127.0.0.1:port/0",
        "redis://127.0.0.1:1/0?password=PW",
        "redis://127.0.0.1:1/0?socket_timeout=PW",
        "redis://ana:PW@127.0.0.1:1/0?no_such_option=PW",
        "redis+cluster://ana:PW@127.0.0.1:1/",
        "nosuch://ana:PW@host/",
    ),
    "offline": ("nosuch://ana:PW@host/x", "nosuch://bucket/x?secret=PW"),
    "warehouse": (*REGISTRIES[:2], *REGISTRIES[3:]),
    "out": OUTS,
    "notifier": (
        'slack: "https://127.0.0.1:1/services/PW"',
        'webhook: "http://ana:PW@127.0.0.1:1/x?token=PW"',
        'pagerduty: "PW"',
        "command: \"false --token 'PW'\"",
    ),
}
COMMANDS = {
    "registry": ("plan", "apply --auto-approve", "status", "history", "materialize", "get spend customer=a"),
    "online": ("plan", "push", "get spend customer=a", "status -v", "verify --store", "why spend"),
    "offline": ("plan", "materialize", "status", "verify", "why spend"),
    "warehouse": ("validate", "plan", "apply --auto-approve", "materialize", "status", "why spend"),
    "out": ("score pays --out OUT", "score pays --all-keys --out OUT", "score pays --outt OUT", "OUT"),
    "notifier": ("validate", "plan", "apply --auto-approve", "monitor check", "history -v"),
}
FORMS = ("", "--debug", "-o json", "-v")
ALL = [
    (place, value, command, secret, written, form)
    for place, values in PLACES.items()
    for value, command, secret, written, form in product(values, COMMANDS[place], SECRETS, (False, True), FORMS)
]
SAMPLE = random.Random(14).sample(ALL, 16)
MORE = random.Random(15).sample(ALL, 800)
ALERT = """alerts:
  - {name: late, when: freshness > 1s, severity: warning, notify: [ops]}
notifiers:
  - {name: ops, WAY}
"""


def put(place, value, *, written):
    """Put a value into its place of the repository, written out or as the variable WHERE."""
    project, objects = PROJECT, OBJECTS
    quoted = json.dumps(value if written else "${WHERE}")
    if place == "notifier":
        way, _, address = value.partition(": ")
        objects += ALERT.replace("WAY", value if written else f'{way}: "${{WHERE}}"')
        return project, objects, json.loads(address)
    if place == "warehouse":
        objects = objects.replace("path: data/orders.csv", f'sql: {{url: {quoted}, query: "select 1"}}')
    for line in project.splitlines():
        if line.strip().startswith(f"{place}:"):
            project = project.replace(line, f"    {place}: {quoted}")
    return project, objects, value


def check(case, root, monkeypatch, capsys):
    place, value, command, secret, written, form = case
    value = value.replace("PW", secret)
    project, objects, variable = put(place, value, written=written)
    (root / "featurectl.yaml").write_text(project)
    (root / "objects.yaml").write_text(objects)
    monkeypatch.setenv("WHERE", variable)
    monkeypatch.setenv("FEATURECTL_API_KEYS", f"{PLAIN}-key")
    monkeypatch.chdir(root)
    words = [word if word != "OUT" else value for word in command.split()]
    code = main([*words, *form.split()])
    out, err = capsys.readouterr()
    said = [piece for piece in PIECES if piece in out + err]
    assert said == [], (words, form, code, out, err)
    assert code != 70, err
    own = {"featurectl.yaml", "objects.yaml"}
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in own]
    stored = written and place == "notifier"  # what is declared is applied, as it is written
    held = [path for path in files if any(piece.encode() in path.read_bytes() for piece in PIECES)]
    assert stored or held == [], (words, form)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: f"{case[0]}-{case[2]}{case[5]}-{SECRETS.index(case[3])}")
def test_no_secret_is_said_or_left_behind(case, made, tmp_path, monkeypatch, capsys):
    check(case, copy_shop(made, tmp_path / "shop"), monkeypatch, capsys)


@pytest.mark.stress
def test_no_secret_is_said_or_left_behind_in_any_case(made, tmp_path, monkeypatch, capsys):
    for number, case in enumerate(MORE):
        check(case, copy_shop(made, tmp_path / str(number)), monkeypatch, capsys)


def test_the_user_of_a_proxy_or_endpoint_may_be_a_word_of_the_repository(made, tmp_path, monkeypatch, capsys):
    root = copy_shop(made, tmp_path / "shop")
    monkeypatch.chdir(root)
    monkeypatch.setenv("HTTPS_PROXY", "http://data:canary-7193@proxy:3128")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://orders:canary-7193@127.0.0.1:1")
    (root / "data/orders.csv").unlink()
    assert main(["materialize"]) == 1
    said = capsys.readouterr().err
    assert "source orders: no file matches data/orders.csv" in said
    assert "canary" not in said
