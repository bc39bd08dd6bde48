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
FETCH_S = 1200
"""No network is waited for longer."""
VARIABLE = "CHROMIUM"
"""Names another browser's binary."""


def main() -> int:
    """Have a browser, fetching one if there is none."""
    if find_browser():
        return 0
    print("Setting up, once: Chromium, for the tests of the page ...", file=sys.stderr)
    playwright = [sys.executable, "-m", "playwright", "install", "chromium"]
    apt = _is_root() and shutil.which("apt-get")
    by_apt: list[str] = []
    tries = [[*playwright, "--with-deps"]] if apt else [playwright]
    if apt:
        by_apt = ["sh", "-c", "apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium"]
        # Debian has a Chromium of its own; Ubuntu's package of that name is none.
        tries.insert(0 if "ID=debian" in _system() else 1, by_apt)
        tries.append(playwright)  # apt may be what does not work
    reasons = []
    for command in tries:
        said = _run(command)
        if find_browser():
            return 0
        name = " ".join(command[2:]) if command is not by_apt else "apt-get install chromium"
        reasons.append(f"  {name}: {said}")
    print(
        "There is no Chromium, and none could be fetched.",
        *reasons,
        "Install one (on Debian and Ubuntu: apt install chromium) or name its binary in "
        f"{VARIABLE}, and run this again. Only the tests of the page and pictures need it.",
        sep="\n",
        file=sys.stderr,
    )
    return 1


def _run(command: list[str]) -> str:
    """Try to fetch one; what came of it, in a line."""
    try:
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FETCH_S
        )
    except subprocess.TimeoutExpired:
        return f"not done after {FETCH_S} seconds"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode == 0:
        # It is there and does not start: a library of the system is missing.
        return _complaint(_playwrights_own()) or "it says that all is well, and there is no browser that starts"
    told = [line for line in lines if line.startswith(("E:", "Error:"))]
    return (told or lines or [f"it ended with {done.returncode}"])[0]


def _complaint(path: str | None) -> str:
    if path is None:
        return ""
    done = subprocess.run([path, "--version", "--no-sandbox"], capture_output=True, text=True, timeout=30, check=False)
    return (done.stderr.strip().splitlines() or [""])[0]


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
