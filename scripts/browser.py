"""The browser that tests and pictures use: Chromium of the system, or one fetched once. `python -m scripts.browser`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VARIABLE = "CHROMIUM"
"""Names another browser's binary."""


def main() -> int:
    """Have a browser, fetching one if there is none."""
    if find_browser():
        return 0
    print("Setting up, once: Chromium, for the tests of the page ...", file=sys.stderr)
    playwright = [sys.executable, "-m", "playwright", "install", "chromium"]
    apt = _is_root() and shutil.which("apt-get")
    tries = [[*playwright, "--with-deps"]] if apt else [playwright]
    if apt:
        ours = ["sh", "-c", "apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium"]
        # Debian has a Chromium of its own; Ubuntu's package of that name is none.
        tries.insert(0 if "ID=debian" in _system() else 1, ours)
    for command in tries:
        subprocess.run(command, check=False, stdout=sys.stderr)
        if find_browser():
            return 0
    print(
        "There is no Chromium, and none could be fetched. Install one (on Debian and Ubuntu: apt install chromium), "
        f"or name its binary in {VARIABLE}.",
        file=sys.stderr,
    )
    return 1


def find_browser() -> str | None:
    """The binary of a Chromium that starts; None when there is none."""
    candidates = [os.environ.get(VARIABLE), *(shutil.which(name) for name in NAMES), _playwrights_own()]
    return next((path for path in candidates if path and _starts(path)), None)


def _playwrights_own() -> str | None:
    try:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
    except Error:
        return None
    return path if Path(path).exists() else None


def _starts(path: str) -> bool:
    try:
        # On some systems `chromium` is a stand-in that only tells how to install one.
        done = subprocess.run([path, "--version", "--no-sandbox"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _system() -> list[str]:
    release = Path("/etc/os-release")
    return release.read_text().splitlines() if release.exists() else []


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


if __name__ == "__main__":
    sys.exit(main())
