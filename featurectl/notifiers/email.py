"""E-mail, by SMTP.

The server stands in `FEATURECTL_SMTP_URL`: `smtp://user:password@host:587` goes on in TLS where the server can
(STARTTLS), and does not log in without; `smtps://` begins with TLS. The sender is `FEATURECTL_SMTP_FROM`.
"""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from featurectl.core.errors import UsageError
from featurectl.core.secrets import hide_repeated
from featurectl.notifiers.base import ChannelSettings, IncidentMessage, NotSentError, reason_of
from featurectl.notifiers.deadline import TOTAL_S, within

URL_VARIABLE: Final = "FEATURECTL_SMTP_URL"
FROM_VARIABLE: Final = "FEATURECTL_SMTP_FROM"
TIMEOUT_S: Final = 10.0
_PORTS: Final = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed over, and as whom."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    sender: str

    @property
    def secrets(self) -> set[str]:
        """What a server that repeats a login gives away: as it is, and as SMTP sends it."""
        plain = f"\0{self.user}\0{self.password}"
        return {self.password, *(b64encode(text.encode()).decode() for text in (plain, self.password))} - {""}


def smtp_server(url: str, sender: str) -> SmtpServer:
    """Return the server that a URL names.

    Raises:
        UsageError: it names none; the message holds nothing of it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in _PORTS:
        raise UsageError(f"{URL_VARIABLE} is no SMTP URL", hint="write it like smtp://user:password@host:587")
    return SmtpServer(
        host=host,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender or f"featurectl@{socket.getfqdn()}",
    )


class EmailNotifier:
    """Sends to one address; the messages of an incident are one thread of a mailbox."""

    def __init__(self, address: str, server: SmtpServer, tls: ssl.SSLContext | None = None) -> None:
        self._address = address
        self._server = server
        self._tls = tls or ssl.create_default_context()

    def send(self, message: IncidentMessage) -> str:
        """Hand a message over to the server.

        Raises:
            NotSentError: it was not taken; for good where the server says so (5xx).
        """
        try:
            mail = mail_of(message, self._address, self._server.sender)
            within(TOTAL_S, lambda: self._hand_over(mail))
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise self._refused(code, said) from None
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            again = not isinstance(error, ValueError)
            raise NotSentError(f"the mail server can't be used: {reason_of(error)}", again=again, down=again) from None
        return f"the mail server {self._server.host} took it"

    def _refused(self, code: int, said: bytes | str) -> NotSentError:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        answer = " ".join(hide_repeated(text, self._server.secrets).split())[:200]
        return NotSentError(f"the mail server answered {code}: {answer}", again=code < 500)

    def _hand_over(self, mail: EmailMessage) -> None:
        server = self._connected()
        try:
            self._secure(server)
            server.send_message(mail)
            with suppress(smtplib.SMTPException, OSError):  # it is taken, however the server says goodbye
                server.quit()
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.tls:
            return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=self._tls)
        return smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)

    def _secure(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        encrypted = self._server.tls
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=self._tls)
            server.ehlo()
            encrypted = True
        if self._server.user and not encrypted:
            raise NotSentError("the mail server has no TLS: the password would be readable on its way", again=False)
        if self._server.user:
            server.login(self._server.user, self._server.password)


def mail_of(message: IncidentMessage, address: str, sender: str) -> EmailMessage:
    """Return a message as a mail, of the instant that the alert was looked at; its ID is the same at every try."""
    mail = EmailMessage()
    mail["Subject"] = _one_line(f"[featurectl] {message.title}")
    mail["From"] = sender
    mail["To"] = address
    mail["Date"] = datetime.fromisoformat(message.at)
    mail["Message-ID"] = _mail_id(message.id)
    mail["References"] = _mail_id(message.key)
    mail["X-Featurectl-Key"] = _one_line(message.key)
    mail.set_content("\n".join(f"{name}: {text}" for name, text in message.lines) + "\n")
    return mail


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _mail_id(text: str) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@featurectl>"


def open_email(settings: ChannelSettings) -> EmailNotifier:
    """Return what sends mail through the server that a variable names.

    Raises:
        UsageError: it is not set.
    """
    address, url = settings.expanded(), settings.environ.get(URL_VARIABLE)
    if not url:
        message = f"the environment variable {URL_VARIABLE} is not set ({settings.place})"
        raise UsageError(message, hint=f"export {URL_VARIABLE}=smtp://user:password@host:587")
    return EmailNotifier(address, smtp_server(url, settings.environ.get(FROM_VARIABLE, "")))
