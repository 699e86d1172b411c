"""TLS in front of a server that has none: a proxy on a free port of the loopback interface."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme


class Certificates:
    """An authority of its own with a certificate for this machine."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority_file))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.server)


@contextmanager
def tls_proxy(
    certificates: Certificates, port: int, *, host: str = "127.0.0.1", own_port: int = 0, is_asked: bool = False
) -> Iterator[int]:
    """Give the port of a proxy that speaks TLS and passes on what it hears to a plain port.

    `is_asked`: as those of PostgreSQL do, clients ask for TLS by 8 bytes first, which are answered by S.
    """
    with socket.create_server((host, own_port)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, certificates.server, port, is_asked), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # accept() returns
            thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int, is_asked: bool) -> None:  # noqa: FBT001  # of a thread
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(plain, context, port, is_asked), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, port: int, is_asked: bool) -> None:  # noqa: FBT001  # of a thread
    """Pass on what one client says until one side ends."""
    with plain, suppress(OSError):
        if is_asked:
            plain.recv(8, socket.MSG_WAITALL)
            plain.sendall(b"S")
        client = context.wrap_socket(plain, server_side=True)
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
