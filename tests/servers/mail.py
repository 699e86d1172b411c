"""A local SMTP server, with STARTTLS, log-in and refusals."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """A server: the mails that it took, and how it behaves. `refuse` are answers to `RCPT TO`, one a mail.

    `goodbye` is its answer to `QUIT`, `hello` how it begins.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuse: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    goodbye: str = "221 bye"
    echoes: bool = False  # the login that it refuses
    hello: str = "220 mail.test ESMTP"


class _Handler(socketserver.StreamRequestHandler):
    mail: MailServer

    def handle(self) -> None:
        with suppress(OSError):  # who does not trust the certificate is gone
            self._talk()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _talk(self) -> None:
        self._say(self.mail.hello)
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            self.mail.words.append(word.upper())
            if word.upper() == "QUIT":
                self._say(self.mail.goodbye)
                return
            self._answer(word.upper(), rest)

    def _answer(self, word: str, rest: str) -> None:
        encrypted = isinstance(self.request, ssl.SSLSocket)
        if word == "EHLO":
            more = ["STARTTLS"] if self.mail.tls and not encrypted else []
            more += ["AUTH PLAIN"] if self.mail.login else []
            lines = ["mail.test", *more]
            for at, line in enumerate(lines):
                self._say(f"250{'-' if at < len(lines) - 1 else ' '}{line}")
        elif word == "STARTTLS":
            self._say("220 go ahead")
            assert self.mail.tls is not None
            self.request = self.mail.tls.wrap_socket(self.request, server_side=True)
            self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        elif word == "AUTH":
            _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
            no = f"535 5.7.8 no such user or password{f': {rest} {password}' if self.mail.echoes else ''}"
            self._say("235 fine" if (user, password) == self.mail.login else no)
        elif word == "RCPT" and self.mail.refuse:
            self._say(self.mail.refuse.pop(0))
        elif word == "DATA":
            self._say("354 go ahead")
            body: list[bytes] = []
            while (data := self.rfile.readline()) != b".\r\n":
                body.append(data)
            self.mail.mails.append(b"".join(body))
            self._say("250 taken")
        else:
            self._say("250 fine")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def running_mail(tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[MailServer]:
    """Run a server on a free port."""
    mail = MailServer(tls=tls, login=login)

    class Handler(_Handler):
        pass

    Handler.mail = mail
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield mail
        finally:
            server.shutdown()
            thread.join()
