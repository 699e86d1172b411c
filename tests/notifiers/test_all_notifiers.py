"""Declared notifiers, opened: variables are filled then, and an unset one is named."""

from __future__ import annotations

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.alerts import WAYS, Notifier
from featurectl.notifiers.all_notifiers import CHANNELS, open_notifier
from tests.notifiers.messages import MESSAGE
from tests.servers.hooks import as_pagerduty, as_slack, running_hook
from tests.servers.mail import running_mail

ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("way", [way for way in WAYS if way != "command"])
def test_an_unset_variable_is_named(way, tmp_path):
    with pytest.raises(UsageError, match=r"the environment variable TO is not set \(notifier ops\)"):
        open_notifier(Notifier(name="ops", way=way, address="${TO}"), {}, tmp_path)


def test_each_way_sends_to_the_address_of_the_environment(tmp_path):
    with (
        running_hook(as_slack) as slack,
        running_hook(as_pagerduty) as pager,
        running_hook() as hook,
        running_mail() as mail,
    ):
        addresses = {
            "slack": f"{slack.url}/services/T0/B0/secret",
            "pagerduty": ROUTING_KEY,
            "webhook": hook.url,
            "email": "ops@shop.test",
        }
        environ = {
            "FEATURECTL_PAGERDUTY_URL": pager.url,
            "FEATURECTL_SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
            "FEATURECTL_SMTP_FROM": "us@shop.test",
        }
        for way, address in addresses.items():
            notifier = Notifier(name=way, way=way, address="${TO}")
            open_notifier(notifier, environ | {"TO": address}, tmp_path).send(MESSAGE)
    assert [len(taken) for taken in (slack.taken, pager.taken, hook.taken, mail.mails)] == [1, 1, 1, 1]
    assert b"From: us@shop.test" in mail.mails[0]


def test_mail_without_a_server_names_the_variable(tmp_path):
    with pytest.raises(UsageError, match=r"FEATURECTL_SMTP_URL is not set \(notifier ops\)"):
        open_notifier(Notifier(name="ops", way="email", address="a@b"), {}, tmp_path)


def test_every_way_of_the_language_is_one_of_the_table(tmp_path):
    assert set(CHANNELS) == set(WAYS)
    with pytest.raises(UsageError, match="notifier ops: no way 'fax'") as caught:
        open_notifier(Notifier(name="ops", way="fax", address="1"), {}, tmp_path)
    assert caught.value.hint == "ways: slack, pagerduty, webhook, email, command"
