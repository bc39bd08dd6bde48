"""Reading in a process of its own: a document made to hang a reader, or to fill its memory, does so there.

That process has none of the server's settings and keys, a limit of memory, and is ended when it takes too long.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Self

from rekindle.knowledge.reading import Kind, Link, Read, Section, Unreadable, read

SECONDS = 60.0
"""Longest time one document may take."""
_MEMORY = 2_000_000_000
_APART: frozenset[Kind] = frozenset({"html", "pdf"})
"""What libraries read; the other kinds are read here, while they are small."""
_SMALL = 100_000
"""Bytes that take a moment, whatever they are: reading more would hold up the server's other threads."""
_LONGEST_SECONDS = 120
"""After these the process ends by itself, should nobody be left who would end it."""
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_LONGEST_ANSWER = 64_000_000


class Reader:
    """Reads documents one after the other; as a context it ends its process."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the process; another one begins with the next document."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def read(self, body: bytes, kind: Kind, name: str, **about: str | None) -> Read:
        """The document in `body`, as `reading.read` reads it, which knows what else may be told `about` it.

        Raises `Unreadable`.
        """
        if kind not in _APART and len(body) <= _SMALL:
            return await asyncio.to_thread(read, body, kind, name, **about)
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._ask(body, {"kind": kind, "name": name, **about})
        except TimeoutError as error:
            await self.aclose()
            raise Unreadable(f"It takes longer than {self._seconds:g} s to read.") from error
        except (OSError, EOFError, ValueError) as error:
            await self.aclose()
            raise Unreadable("Its reader broke down over it.") from error
        except BaseException:
            await self.aclose()  # an answer that nobody waited for must not be taken for the next
            raise
        if "fault" in answer:
            raise Unreadable(answer["fault"])
        return Read(
            kind=answer["kind"],
            title=answer["title"],
            sections=tuple(Section(**section) for section in answer["sections"]),
            links=tuple(Link(**link) for link in answer["links"]),
            url=answer["url"],
            keep=answer["keep"],
            follow=answer["follow"],
        )

    async def _ask(self, body: bytes, about: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
            )
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        head = json.dumps({**about, "size": len(body)}).encode()
        to.write(b"%d\n" % len(head) + head + body)
        await to.drain()
        length = int(await back.readline() or b"-1")
        if not 0 <= length <= _LONGEST_ANSWER:
            raise EOFError
        answer: dict[str, Any] = json.loads(await back.readexactly(length))
        return answer


def answer_all() -> None:
    """What the process does: answers documents from its standard input until that ends."""
    with suppress(ValueError, OSError):  # where a limit cannot be set, time is still one
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    while line := asked.readline():
        signal.alarm(_LONGEST_SECONDS)
        about = json.loads(asked.read(int(line)))
        body = asked.read(about.pop("size"))
        answer: dict[str, Any]
        try:
            answer = asdict(read(body, **about))
        except Unreadable as error:
            answer = {"fault": error.detail}
        except MemoryError:
            answer = {"fault": "It needs too much memory to read."}
        packed = json.dumps(answer).encode()
        told.write(b"%d\n" % len(packed) + packed)
        told.flush()
        signal.alarm(0)


if __name__ == "__main__":
    answer_all()
