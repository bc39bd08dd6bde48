"""Fetching on somebody's word: what is not public is not reached, whatever leads there; nothing is unbounded."""

import asyncio
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rekindle.knowledge.fetch import Fetcher, FetchFailed, FetchRefused, is_public
from rekindle.tls import authorities
from tests.knowledge.loopback import listening

Answer = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


class Site:
    """A server on loopback that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0
        self.answers: dict[str, Answer] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(request)
            await self.answers[request.split(" ")[1]](writer, request)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def says(self, path: str, body: bytes, *headers: str, status: str = "200 OK") -> None:
        async def answer(writer: asyncio.StreamWriter, _: str) -> None:
            head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            await writer.drain()

        self.answers[path] = answer

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with listening(site.serve) as site.port:
        yield site


@pytest.fixture
async def strict() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher()
    yield fetcher
    await fetcher.aclose()


@pytest.fixture
async def allowed() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(["127.0.0.0/8"])
    yield fetcher
    await fetcher.aclose()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
        "2001:0:53aa:64c:0:0:80ff:fffe", "64:ff9b:1:7f00:1:0:808:808",
    ],
)  # fmt: skip
def test_an_address_that_is_not_of_the_open_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_what_is_on_this_machine_is_not_reached_however_it_is_spelled(
    site: Site, strict: Fetcher, host: str
) -> None:
    with pytest.raises((FetchRefused, FetchFailed)) as refused:
        await strict.get(site.url(host=host))
    assert site.asked == []
    if host in ("127.0.0.1", "localhost"):
        assert isinstance(refused.value, FetchRefused)
        assert "REKINDLE_FETCH_ALLOW" in refused.value.detail


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com", "//example.com", "", "http://",
     "http://ann:secret@example.com/", "ann:secret@example.com", "http://example.com:99999/",
     "http://example.com/" + "a" * 3000],
)  # fmt: skip
async def test_only_plain_addresses_of_the_web_are_fetched(strict: Fetcher, url: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        await strict.get(url)
    assert "secret" not in refused.value.detail


async def test_what_a_setting_allows_is_fetched(site: Site) -> None:
    site.says("/", "Grüße".encode("latin-1"), "Content-Type: text/plain; charset=latin-1")
    for allow in (["127.0.0.1"], ["127.0.0.0/8"]):
        fetcher = Fetcher(allow)
        page = await fetcher.get(site.url())
        await fetcher.aclose()
        assert (page.status, page.kind, page.text) == (200, "text/plain", "Grüße")
    by_name = Fetcher(["intranet.example.com"], resolve=lambda *_: addresses("127.0.0.1"))
    assert (await by_name.get(site.url(host="intranet.example.com"))).status == 200
    with pytest.raises(FetchRefused):
        await by_name.get(site.url(host="other.example.com"))
    await by_name.aclose()


async def addresses(*texts: str) -> list[str]:
    return list(texts)


async def test_a_redirect_is_checked_like_the_first_address(site: Site) -> None:
    site.says("/", b"", f"Location: {site.url('/secret', host='inside.example.com')}", status="302 Found")
    site.says("/secret", b"the secret")
    fetcher = Fetcher(["outside.example.com"], resolve=lambda *_: addresses("127.0.0.1"))
    with pytest.raises(FetchRefused):
        await fetcher.get(site.url(host="outside.example.com"))
    await fetcher.aclose()
    assert len(site.asked) == 1


async def test_a_name_that_changes_its_mind_between_check_and_connection_gains_nothing(site: Site) -> None:
    # A public address first, loopback from then on: who asks twice connects to the second.
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    site.says("/", b"the secret")
    fetcher = Fetcher(resolve=rebinding)
    with pytest.raises(FetchFailed):
        await fetcher.get(site.url(host="rebind.example.com"), seconds=0.3)
    assert asked == ["rebind.example.com"]
    with pytest.raises(FetchRefused):
        await fetcher.get(site.url(host="rebind.example.com"), seconds=1)
    await fetcher.aclose()
    assert site.asked == []


async def test_a_name_with_one_address_inside_is_refused_whole(site: Site) -> None:
    fetcher = Fetcher(resolve=lambda *_: addresses("93.184.216.34", "127.0.0.1"))
    with pytest.raises(FetchRefused):
        await fetcher.get(site.url(host="mixed.example.com"), seconds=1)
    await fetcher.aclose()


async def test_a_body_has_a_limit_whether_it_says_its_length_or_not(site: Site, allowed: Fetcher) -> None:
    site.says("/said", b"x" * 20_000)

    async def endless(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    site.answers["/unsaid"] = endless
    for path in ("/said", "/unsaid"):
        with pytest.raises(FetchFailed, match="larger than 10,000 bytes"):
            await allowed.get(site.url(path), max_bytes=10_000)


async def test_a_packed_body_is_no_larger_than_the_limit_when_unpacked(site: Site, allowed: Fetcher) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    site.says("/bomb", bomb, "Content-Encoding: gzip")
    with pytest.raises(FetchFailed, match="larger than 1,000,000 bytes"):
        await allowed.get(site.url("/bomb"), max_bytes=1_000_000)

    async def endless(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")
        )
        while True:  # behind its end
            writer.write(b"x" * 10_000)
            await writer.drain()

    site.answers["/endless"] = endless
    with pytest.raises(FetchFailed, match="larger than 100,000 bytes"):
        await allowed.get(site.url("/endless"), max_bytes=100_000)
    site.says("/fine", gzip.compress(b"hello" * 1000), "Content-Encoding: gzip")
    assert (await allowed.get(site.url("/fine"))).body == b"hello" * 1000
    site.says("/broken", gzip.compress(b"hello" * 1000)[:-12], "Content-Encoding: gzip")
    site.says("/strange", b"hello", "Content-Encoding: br")
    site.says("/wrong", b"hello", "Content-Encoding: gzip")
    for path in ("/broken", "/strange", "/wrong"):
        with pytest.raises(FetchFailed):
            await allowed.get(site.url(path))


async def test_who_answers_in_drips_is_left(site: Site, allowed: Fetcher) -> None:
    async def drip(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for byte in b"x" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    site.answers["/"] = drip
    began = time.monotonic()
    with pytest.raises(FetchFailed, match=r"within 0\.3 s"):
        await allowed.get(site.url(), seconds=0.3)
    assert time.monotonic() - began < 20


async def test_redirects_have_an_end(site: Site, allowed: Fetcher) -> None:
    site.says("/", b"", "Location: /", status="301 Moved Permanently")
    with pytest.raises(FetchFailed, match="redirects more than 5 times"):
        await allowed.get(site.url())
    assert len(site.asked) == 6
    assert (await allowed.get(site.url(), follow=False)).status == 301


async def test_what_was_given_for_one_origin_is_not_sent_to_another(site: Site) -> None:
    site.says("/", b"", "Location: /same", status="302 Found")
    site.says("/same", b"", f"Location: {site.url('/other', host='b.example.com')}", status="302 Found")
    site.says("/other", b"{}", "Set-Cookie: a=b")
    fetcher = Fetcher(["a.example.com", "b.example.com"], resolve=lambda *_: addresses("127.0.0.1"))
    page = await fetcher.get(site.url(host="a.example.com"), headers={"Authorization": "Bearer key"})
    await fetcher.aclose()
    assert page.json() == {}
    assert ["Bearer key" in request for request in site.asked] == [True, True, False]
    assert not any("Cookie" in request for request in site.asked)


async def test_what_is_posted_is_json_and_no_redirect_is_followed(site: Site, allowed: Fetcher) -> None:
    site.says("/", b"", "Location: /other", status="307 Temporary Redirect")
    assert (await allowed.post(site.url(), {"query": "crack"})).status == 307
    assert "application/json" in site.asked[0]
    assert len(site.asked) == 1


async def test_nobody_there_and_no_such_name_are_said(allowed: Fetcher) -> None:
    with pytest.raises(FetchFailed, match=r"http://127\.0\.0\.1:1/a cannot be read"):
        await allowed.get("http://127.0.0.1:1/a?key=secret")
    with pytest.raises(FetchFailed, match="is not known"):
        await allowed.get("http://nobody.invalid/")


async def test_a_certificate_is_checked_against_the_name_although_an_address_is_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    key, cert = a_certificate(tmp_path, "safe.example.com")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    site = Site()
    site.says("/", b"safe")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    authorities.cache_clear()
    request.addfinalizer(authorities.cache_clear)
    names = ["safe.example.com", "other.example.com"]
    fetcher = Fetcher(names, resolve=lambda *_: addresses("127.0.0.1"))
    async with listening(site.serve, tls) as port:
        assert (await fetcher.get(f"https://safe.example.com:{port}/")).body == b"safe"
        with pytest.raises(FetchFailed, match="certificate"):
            await fetcher.get(f"https://other.example.com:{port}/")
        await fetcher.aclose()


def a_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A key, and its certificate for this name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "cert.pem").write_bytes(cert.public_bytes(Encoding.PEM))
    return folder / "key.pem", folder / "cert.pem"
