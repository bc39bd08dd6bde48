"""Whose word is taken for who a server is."""

import ssl
from functools import cache

import httpx2


@cache
def authorities() -> ssl.SSLContext:
    """What connections verify servers by, read once: each reading of all certificates takes 20 ms."""
    return httpx2.create_ssl_context()
