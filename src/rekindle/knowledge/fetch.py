"""Fetching from the web on somebody's word: public addresses only, bounded in size and time.

A name is resolved once for a connection, every address it has is checked, and the connection goes to one of those
addresses: what the name says a moment later (DNS rebinding) does not matter. Each redirect is a new request, checked
like the first.
"""

import asyncio
import json
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore2
import httpx2

from rekindle.errors import InvalidRequest, RekindleError
from rekindle.tls import authorities

MAX_BYTES = 5_000_000
SECONDS = 20.0
REDIRECTS = 5
LONGEST_URL = 2_000
_MOVED = frozenset({301, 302, 303, 307, 308})
_USERINFO = re.compile(r"(?:(?<=//)|^)[^/]*@")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: the last four bytes are an IPv4 address that a gateway connects to."""
_TRANSLATED_LOCALLY = IPv6Network("64:ff9b:1::/48")
"""NAT64 within a network (RFC 8215): which bytes are the IPv4 address, only its gateway knows."""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Collection[str]]]
"""The addresses of a host, as text."""


class FetchRefused(InvalidRequest):
    """This address is not fetched."""

    code = "fetch_refused"


class FetchFailed(RekindleError):
    """What was to be fetched could not be had."""

    status = 502
    code = "fetch_failed"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status; `url` is where the last redirect led."""

    url: str
    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def kind(self) -> str:
        """The media type without its parameters, in small letters: `text/html`."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The encoding that the answer names, if any."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                return value.strip("\"' ") or None
        return None

    @property
    def text(self) -> str:
        """The body as text; bytes that are none of its encoding are replaced."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON. Raises `FetchFailed` when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise FetchFailed(f"{_place(self.url)} did not answer with JSON.") from error


class Fetcher:
    """Fetches for one process, on one event loop. `allow`: hosts, addresses and networks that need not be public."""

    def __init__(self, allow: Iterable[str] = (), *, resolve: Resolve | None = None) -> None:
        self._network = _PublicNetwork(allow, resolve or _addresses)
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._name = f"Rekindle/{version('rekindle')}"

    async def aclose(self) -> None:
        """Close its connections; it can be used again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
        follow: bool = True,
    ) -> Fetched:
        """What is at `url`, after at most five redirects, within `seconds` in all and `max_bytes`, unpacked.

        `headers` go to the URL's own origin only. Raises `FetchRefused` for an address that is not fetched,
        `FetchFailed` for whatever else keeps the answer away. Any HTTP status is an answer.
        """
        target = _read(url)
        if params:
            target = target.copy_merge_params(dict(params))
        sent = dict(headers or {})
        try:
            async with asyncio.timeout(seconds):
                for _ in range(REDIRECTS + 1):
                    answer = await self._send("GET", target, sent, None, max_bytes)
                    moved = answer.headers.get("location") if answer.status in _MOVED and follow else None
                    if not moved:
                        return answer
                    before, target = target, _join(target, moved)
                    if _origin(before) != _origin(target):
                        sent = {}
        except TimeoutError as error:
            raise FetchFailed(f"{_place(url)} did not answer within {seconds:g} s.") from error
        raise FetchFailed(f"{_place(url)} redirects more than {REDIRECTS} times.")

    async def post(
        self,
        url: str,
        content: Any,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> Fetched:
        """What `url` answers to `content`, sent as JSON; a redirect is an answer. Raises as `get` does."""
        sent = {**(headers or {}), "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(seconds):
                return await self._send("POST", _read(url), sent, json.dumps(content).encode(), max_bytes)
        except TimeoutError as error:
            raise FetchFailed(f"{_place(url)} did not answer within {seconds:g} s.") from error

    async def _send(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None, max_bytes: int
    ) -> Fetched:
        lines = [
            (b"Host", url.netloc),
            (b"User-Agent", self._name.encode()),
            (b"Accept-Encoding", b"gzip"),
            *((name.encode("ascii", "ignore"), value.encode("latin-1", "ignore")) for name, value in headers.items()),
        ]
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/")
        try:
            async with self._open().stream(method, target, headers=lines, content=content) as response:
                answer = httpx2.Headers(response.headers)
                body = await _body(response, answer, max_bytes, _place(str(url)))
                return Fetched(str(url), response.status, answer, body)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise FetchFailed(f"{_place(str(url))} cannot be read: {why}") from error

    def _open(self) -> httpcore2.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=authorities(),
                max_connections=20,
                max_keepalive_connections=5,
                keepalive_expiry=10,
                network_backend=self._network,
            )
        return self._pool


class _PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses, and to those that are allowed."""

    def __init__(self, allow: Iterable[str], resolve: Resolve) -> None:
        self._names: set[str] = set()
        self._networks = []
        for entry in allow:
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError:
                self._names.add(entry.lower().rstrip("."))
        self._resolve = resolve
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._checked(host, port)
        for place, address in enumerate(addresses):
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore2.NetworkError:
                if place == len(addresses) - 1:
                    raise
        raise FetchFailed(f"{host} has no address.")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        raise FetchRefused("Only addresses of the internet are fetched.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
        try:
            found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError) as error:
            raise FetchFailed(f"{host} cannot be reached: its name is not known here.") from error
        if host.lower().rstrip(".") not in self._names:
            for address in found:
                # One address that is not public spoils the name: nobody honest mixes them.
                if not is_public(address) and not any(address in network for network in self._networks):
                    raise FetchRefused(
                        f"{host} is not a public address. REKINDLE_FETCH_ALLOW names hosts that may be fetched all the "
                        "same."
                    )
        return found


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, and so is the IPv4 address that it may carry inside."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inside is None and address in _TRANSLATED:
            inside = IPv4Address(address.packed[-4:])
        # The second: ::127.0.0.1, as it was once written.
        if address in _TRANSLATED_LOCALLY or (inside is None and int(address) >> 32 == 0):
            return False
        if inside is not None:
            return is_public(inside)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _body(response: httpcore2.Response, headers: httpx2.Headers, max_bytes: int, place: str) -> bytes:
    packing = headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip", ""):
        raise FetchFailed(f"{place} answers packed as {packing[:40]!r}, which was not asked for.")
    unpack = zlib.decompressobj(31) if packing.endswith("gzip") else None
    too_large = FetchFailed(f"{place} is larger than {max_bytes:,} bytes.")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > max_bytes:
        raise too_large
    body = bytearray()
    came = 0
    stream = response.aiter_stream()
    async with aclosing(stream):
        async for piece in stream:
            # What is packed counts too: bytes that unpack to nothing, or stand behind the end, could go on for ever.
            came += len(piece)
            if came > max_bytes:
                raise too_large
            if unpack is not None:
                try:
                    # Never more than one byte beyond the limit, however much a small piece would become.
                    piece = unpack.decompress(piece, max_bytes - len(body) + 1)
                except zlib.error as error:
                    raise FetchFailed(f"{place} is not packed as it says.") from error
            body += piece
            if len(body) > max_bytes:
                raise too_large
    if unpack is not None and not unpack.eof and body:
        raise FetchFailed(f"{place} broke off.")
    return bytes(body)


def _read(url: str) -> httpx2.URL:
    if len(url) > LONGEST_URL:
        raise FetchRefused(f"An address has at most {LONGEST_URL:,} characters.")
    try:
        read = httpx2.URL(url.strip())
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        raise FetchRefused(f"{_place(url)} is not an address of the web.") from error
    if read.scheme not in ("http", "https") or not read.host:
        raise FetchRefused(f"{_place(url)} is not an address that begins with http:// or https://.")
    if read.port is not None and not 0 < read.port < 65_536:
        raise FetchRefused(f"{_place(url)} names a port that there is not.")
    if read.userinfo:
        raise FetchRefused("An address with a name or a password in it is not fetched.")
    return read.copy_with(fragment=None)


def _join(url: httpx2.URL, moved: str) -> httpx2.URL:
    try:
        return _read(str(url.join(moved)))
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{_place(str(url))} redirects to what is no address.") from error


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _place(url: str) -> str:
    """An address as it is said to people: without a password, and what follows `?`, which may be secret."""
    return _USERINFO.sub("", url.partition("?")[0].partition("#")[0])[:200]
