"""Requests over plain HTTP, without the certificates of the system: to read them takes longer than an answer."""

from __future__ import annotations

from typing import Any

import httpx2


def get(url: str, **how: Any) -> httpx2.Response:
    """Return the answer to a GET."""
    return httpx2.get(url, verify=False, **how)


def post(url: str, **how: Any) -> httpx2.Response:
    """Return the answer to a POST."""
    return httpx2.post(url, verify=False, **how)


def client(timeout: float = 20.0) -> httpx2.Client:
    """Return a client whose connections stay open."""
    return httpx2.Client(timeout=timeout, verify=False)
