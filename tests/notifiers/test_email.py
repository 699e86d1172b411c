"""E-mail, against a local SMTP server."""

from __future__ import annotations

import email
import email.policy
import ssl
from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.notifiers import email as email_notifier
from featurectl.notifiers.base import NotSentError
from featurectl.notifiers.email import EmailNotifier, smtp_server
from tests.notifiers.messages import KEY, MESSAGE
from tests.servers.hooks import running_drip
from tests.servers.mail import running_mail
from tests.servers.redis import free_port

FROM = "featurectl@shop.test"


def notifier(url, tls=None):
    return EmailNotifier("ops@shop.test", smtp_server(url, FROM), tls)


def refused(sender):
    with pytest.raises(NotSentError) as caught:
        sender.send(MESSAGE)
    assert "hush" not in caught.value.message
    return caught.value


def test_a_mail_tells_everything_and_those_of_an_incident_are_one_thread():
    with running_mail() as server:
        for message in (MESSAGE, MESSAGE, replace(MESSAGE, kind="resolved", id="other")):
            notifier(f"smtp://127.0.0.1:{server.port}").send(message)
    first, again, resolved = [email.message_from_bytes(text, policy=email.policy.default) for text in server.mails]
    assert first["subject"] == "[featurectl] FIRING critical: stale (view:spend@1) in prod"
    assert (first["from"], first["to"], first["x-featurectl-key"]) == (FROM, "ops@shop.test", KEY)
    assert first["date"] == "Tue, 24 Nov 2026 12:30:00 +0000"
    assert first.get_content().splitlines()[:3] == [
        "cause: source orders stopped: <nobody> knows & why ☃",
        "value: 2 d",
        "threshold: freshness > 1d",
    ]
    assert first["message-id"] == again["message-id"] != resolved["message-id"]
    assert first["references"] == resolved["references"]


def test_the_password_goes_through_tls_alone(certificates):
    trusting = ssl.create_default_context(cafile=certificates.authority_file)
    with running_mail(certificates.server, ("ana", "hush:1")) as server:
        url = f"smtp://ana:hush%3A1@127.0.0.1:{server.port}"
        notifier(url, trusting).send(MESSAGE)
        assert server.words[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
        assert len(server.mails) == 1
        wrong = refused(notifier(url.replace("hush%3A1", "hush"), trusting))
        assert (wrong.again, wrong.message) == (
            False,
            "the mail server answered 535: 5.7.8 no such user or password",
        )
        assert refused(notifier(url)).message.startswith("the mail server can't be used")  # nobody vouches for it
    with running_mail(None, ("ana", "hush:1")) as server:
        error = refused(notifier(f"smtp://ana:hush%3A1@127.0.0.1:{server.port}"))
        assert (error.again, "no TLS" in error.message) == (False, True)
        assert "AUTH" not in server.words


def test_a_server_that_repeats_the_login_it_refuses_gives_it_to_nobody(certificates):
    trusting = ssl.create_default_context(cafile=certificates.authority_file)
    with running_mail(certificates.server, ("ana", "other")) as server:
        server.echoes = True
        error = refused(notifier(f"smtp://ana:hush%3A1@127.0.0.1:{server.port}", trusting))
    assert error.message == "the mail server answered 535: 5.7.8 no such user or password: PLAIN *** ***"


def test_what_the_server_refuses_for_good_is_given_up_and_for_now_is_not():
    with running_mail() as server:
        server.refuse += ["450 4.2.1 busy", "550 5.1.1 no such user"]
        sender = notifier(f"smtp://127.0.0.1:{server.port}")
        found = [refused(sender), refused(sender)]
        sender.send(MESSAGE)
    assert [(e.again, e.message) for e in found] == [
        (True, "the mail server answered 450: 4.2.1 busy"),
        (False, "the mail server answered 550: 5.1.1 no such user"),
    ]
    error = refused(notifier(f"smtp://127.0.0.1:{free_port()}"))
    assert (error.again, error.message) == (True, "the mail server can't be used: Connection refused")


def test_a_mail_that_is_taken_is_sent_however_the_server_says_goodbye():
    with running_mail() as server:
        server.goodbye = "421 4.4.2 too late"
        notifier(f"smtp://127.0.0.1:{server.port}").send(MESSAGE)
    assert len(server.mails) == 1


def test_what_is_no_mail_server_is_given_up_and_a_slow_one_is_tried_again(monkeypatch):
    with running_mail() as server:
        server.hello = "554 5.7.1 go away"
        assert refused(notifier(f"smtp://127.0.0.1:{server.port}")).again is False
    with running_drip() as url:
        monkeypatch.setattr(email_notifier, "TOTAL_S", 0.3)
        error = refused(notifier(url.replace("http", "smtp")))
    assert (error.again, error.message) == (True, "the mail server can't be used: it took too long")


@pytest.mark.parametrize("address", ["a@shop.test\r\nBcc: eve@shop.test", "a@shop.test\nX: y"])
def test_an_address_of_several_lines_is_none(address):
    with running_mail() as server:
        error = refused(EmailNotifier(address, smtp_server(f"smtp://127.0.0.1:{server.port}", FROM)))
        assert (error.again, error.down) == (False, False)
        assert server.words == []


@pytest.mark.parametrize("url", ["http://hush", "smtp://", "smtp://h:hush", "hush"])
def test_a_url_of_no_mail_server_is_named_without_what_it_holds(url):
    with pytest.raises(UsageError, match=r"(?m)^FEATURECTL_SMTP_URL is no SMTP URL$"):
        smtp_server(url, "")


def test_a_subject_of_several_lines_adds_no_header():
    odd = "model:m:a\r\nBcc: eve@shop.test\rX: y\n"
    with running_mail() as server:
        notifier(f"smtp://127.0.0.1:{server.port}").send(replace(MESSAGE, subject=odd, key=f"k/{odd}/1"))
    mail = email.message_from_bytes(server.mails[0], policy=email.policy.default)
    assert (mail["bcc"], mail["x"]) == (None, None)
    assert "(model:m:a Bcc: eve@shop.test X: y )" in mail["subject"]
