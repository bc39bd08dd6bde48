"""The pages of one site, as its links lead to them: within its host, as robots.txt allows, bounded, in no hurry."""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx2

from rekindle.errors import ConfigurationError, Unavailable
from rekindle.knowledge.apart import Reader
from rekindle.knowledge.fetch import LONGEST_URL, REDIRECTS, Fetched, Fetcher, FetchFailed, FetchRefused
from rekindle.knowledge.ingest import Item, Outcome, digest_of
from rekindle.knowledge.reading import MEDIA_TYPES, SUFFIXES, Kind, Read, Unreadable
from rekindle.knowledge.store import Known

if TYPE_CHECKING:
    from protego import Protego

AGENT = "Rekindle"
_ROBOTS_BYTES = 500_000
_LONGEST_PAUSE = 30.0
_FAILURES = 10
"""After so many pages in a row that do not come, the site is left."""
_MET = 20_000
"""So many addresses are known at the most; those beyond are not asked for."""
_OTHER_FILES = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|ico|bmp|css|m?js|json|xml|rss|atom|zip|gz|tar|7z|rar|exe|dmg|iso|mp[34]|m4a|avi|mov|webm|"
    r"wav|ogg|woff2?|ttf|eot|docx?|xlsx?|pptx?|csv)",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a crawl goes: pages asked for, links from the first page, seconds, bytes; `pause` between two pages."""

    pages: int = 500
    depth: int = 5
    seconds: float = 1_800
    bytes: int = 200_000_000
    page_bytes: int = 5_000_000
    pause: float = 0.25

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Those of a source's last run; what is not among them is as usual."""
        return cls(**{name: options[name] for name in cls.__dataclass_fields__ if name in options})

    def as_json(self) -> dict[str, Any]:
        """The bounds as they are kept with a source."""
        return asdict(self)


class Page(Item):
    """A page that was fetched and read; or, with `same`, one that the server says has not changed."""

    path = None

    def __init__(self, uri: str, kind: Kind, read: Read | None, size: int, metadata: dict[str, Any], same: bytes = b""):
        self.uri = self.url = uri
        self.kind = kind
        self.size = size
        self.metadata = metadata
        self._read = read
        self._same = same

    def digest(self) -> bytes:
        """Of what it says: pages are seldom the same to the byte."""
        if self._read is None:
            return self._same
        told = [self._read.title, *(part for s in self._read.sections for part in (s.heading, s.text))]
        told += [part for link in self._read.links for part in (link.url, link.text)]
        return digest_of("\0".join(told).encode("utf-8", "replace"), self.kind)

    async def read(self) -> Read:
        """It as a document."""
        if self._read is None:
            raise Unreadable("The server says it has not changed, but it is not here.")
        return self._read


class Crawl:
    """One crawl. After it, `gone` are pages that are no more, `missed` those that did not come; see `complete`."""

    def __init__(
        self,
        fetcher: Fetcher,
        reader: Reader,
        start: str,
        bounds: Bounds,
        known: Mapping[str, Known],
        links_of: Callable[[UUID], Awaitable[list[str]]],
        outcome: Outcome,
    ) -> None:
        self.gone: set[str] = set()
        self.missed: set[str] = set()
        self.complete = False
        """Whether every page was asked for that can be reached: only then one that was not met is gone."""
        self._fetcher = fetcher
        self._reader = reader
        self._bounds = bounds
        self._known = known
        self._links_of = links_of
        self._outcome = outcome
        self._queue: deque[tuple[str, int]] = deque([(plain(start), 0)])
        self._met = {self._queue[0][0]}
        self._places = {uri: {uri, str(each.metadata.get("at", uri))} for uri, each in known.items()}
        self._here = {place for places in self._places.values() for place in places}
        self._beyond: set[str] = set()
        self._origin = _origin(self._queue[0][0])
        self._robots: Protego | None = None
        self._pause = bounds.pause
        self._bytes = 0
        self._asked = 0
        self._moves = 0

    def lost(self) -> set[str]:
        """Which of the documents known before are no more."""
        if self.complete:
            return {uri for uri, at in self._places.items() if not at & self.missed}
        return {uri for uri, at in self._places.items() if at <= self.gone}

    @property
    def waiting(self) -> int:
        """How many pages are still to be asked for."""
        return len(self._queue)

    async def pages(self) -> AsyncIterator[Item]:
        """The pages, as they come. Raises `FetchFailed` and `FetchRefused` when there is not even a first."""
        began = time.monotonic()
        failures = 0
        await self._learn_rules()
        while self._queue:
            if stop := self._bound(time.monotonic() - began, failures):
                self._outcome.note = stop
                return
            url, depth = self._queue.popleft()
            if not self._may(url):
                if self._asked == 0:
                    raise FetchRefused(f"The robots.txt of {self._origin} does not allow {url}.")
                self._outcome.others += 1
                continue
            if self._asked:
                await asyncio.sleep(self._pause)
            self._asked += 1
            try:
                answer = await self._get(url)
                page = await self._read(answer, url, depth)
                failures = 0
            except (FetchFailed, FetchRefused, Unreadable) as error:
                if self._asked == 1:
                    raise
                failures += isinstance(error, FetchFailed)
                self.missed.add(url)
                self._outcome.leave_out(url, error.detail)
                continue
            if page is not None:
                yield page
        # Of what is known, nothing may be too many links away: behind it may be more that is known.
        self.complete = len(self._met) < _MET and self._beyond <= self._met

    def _bound(self, seconds: float, failures: int) -> str | None:
        """Why it goes no further, if it does not."""
        if self._asked >= self._bounds.pages:
            return f"It stopped at page {self._asked:,}, with {len(self._queue):,} more to see."
        if seconds > self._bounds.seconds:
            return f"It stopped after {seconds:,.0f} s, with {len(self._queue):,} more to see."
        if self._bytes > self._bounds.bytes:
            return f"It stopped after {self._bytes:,} bytes."
        return f"It stopped: the site failed {failures} times in a row." if failures >= _FAILURES else None

    async def _learn_rules(self) -> None:
        try:
            from protego import Protego  # a library of an extra
        except ImportError as error:
            raise ConfigurationError(
                "Reading a site needs protego, which knows robots.txt: pip install 'rekindle[knowledge]' brings it."
            ) from error
        answer = await self._fetcher.get(f"{self._origin}/robots.txt", max_bytes=_ROBOTS_BYTES)
        if answer.status >= 500 or answer.status == 429:
            raise Unavailable(f"{self._origin}/robots.txt answers {answer.status}: until it does, nothing may be read.")
        # A site without rules allows everything (RFC 9309).
        self._robots = Protego.parse(answer.text if answer.status == 200 else "")
        delay = self._robots.crawl_delay(AGENT)
        self._pause = max(self._bounds.pause, min(float(delay or 0), _LONGEST_PAUSE))

    def _may(self, url: str) -> bool:
        return self._robots is not None and bool(self._robots.can_fetch(url, AGENT))

    async def _get(self, url: str) -> Fetched:
        known = self._known.get(url)
        before = known.metadata if known else {}
        conditions = {}
        if etag := before.get("etag"):
            conditions["If-None-Match"] = str(etag)
        elif since := before.get("last_modified"):
            conditions["If-Modified-Since"] = str(since)
        answer = await self._fetcher.get(url, headers=conditions, max_bytes=self._bounds.page_bytes, follow=False)
        self._bytes += len(answer.body)
        return answer

    async def _read(self, answer: Fetched, url: str, depth: int) -> Page | None:
        known = self._known.get(url)
        if answer.status == 304 and known is not None:
            self._follow(await self._links_of(known.id), depth)
            return Page(url, "html", None, 0, {}, same=known.digest)
        if answer.status in (301, 302, 303, 307, 308):
            await self._moved(answer, url, depth)
            return None
        if answer.status in (404, 410):
            self.gone.add(url)
            if self._asked == 1:
                raise FetchFailed(f"{url} answers {answer.status}: there is no such page.")
            return None
        if answer.status != 200:
            raise FetchFailed(f"It answers {answer.status}.")
        kind = MEDIA_TYPES.get(answer.kind) or (SUFFIXES.get(_suffix(url)) if _is_unsaid(answer.kind) else None)
        if kind is None:
            self._outcome.others += 1
            return None
        name = httpx2.URL(url).path.rstrip("/").rpartition("/")[2] or httpx2.URL(url).host
        document = await self._reader.read(answer.body, kind, name, base=url, charset=answer.charset)
        rules = answer.headers.get("x-robots-tag", "").lower()
        if document.follow and "nofollow" not in rules and "none" not in rules:
            self._follow([link.url for link in document.links], depth)
        if not document.keep or "noindex" in rules or "none" in rules:
            return None
        metadata = {
            name: value[:500]
            for name, header in (("etag", "etag"), ("last_modified", "last-modified"))
            if (value := answer.headers.get(header))
        }
        stated = plain(document.url) if document.url else url
        uri = stated if _origin(stated) == self._origin else url
        if uri != url:
            metadata["at"] = url
        return Page(uri, kind, document, len(answer.body), metadata)

    async def _moved(self, answer: Fetched, url: str, depth: int) -> None:
        try:
            target = plain(str(httpx2.URL(url).join(answer.headers.get("location", ""))))
        except (httpx2.InvalidURL, ValueError) as error:
            raise FetchFailed("It redirects to what is no address.") from error
        if self._asked == 1 and _origin(target) != self._origin:
            # What people type is seldom the whole truth: http for https, a name without www.
            self._moves += 1
            if self._moves > REDIRECTS:
                raise FetchFailed(f"It redirects from site to site more than {REDIRECTS} times.")
            self._origin = _origin(target)
            await self._learn_rules()
            self._asked = 0
        self._follow([target], depth - 1)

    def _follow(self, urls: list[str], depth: int) -> None:
        for found in urls:
            try:
                url = plain(found)
            except FetchRefused:
                continue
            if depth >= self._bounds.depth:
                self._beyond |= {url} & self._here
            elif url not in self._met and _origin(url) == self._origin and not _OTHER_FILES.fullmatch(_suffix(url)):
                if len(self._met) >= _MET:
                    self._outcome.note = f"It found more than {_MET:,} addresses; the rest was not looked at."
                    return
                self._met.add(url)
                self._queue.append((url, depth + 1))


def _is_unsaid(media_type: str) -> bool:
    return media_type in ("", "application/octet-stream", "binary/octet-stream")


def plain(url: str) -> str:
    """An address as it is compared: host in small letters, no usual port, no fragment, `/` for the site itself.

    Raises `FetchRefused`.
    """
    try:
        read = httpx2.URL(url.strip()).copy_with(fragment=None)
        plain = str(read if urlsplit(str(read)).path else read.copy_with(path="/"))
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        raise FetchRefused(f"{url[:200]} is not an address of the web.") from error
    if len(plain) > LONGEST_URL:
        raise FetchRefused("The address is too long.")
    return plain


def _origin(url: str) -> str:
    read = httpx2.URL(url)
    return f"{read.scheme}://{read.netloc.decode('ascii', 'replace')}"


def _suffix(url: str) -> str:
    name = httpx2.URL(url).path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
