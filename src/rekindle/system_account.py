"""The system user that PostgreSQL's programs run as: it refuses root, so root lends them another one.

`None` in place of an account means ourselves: we are not root, and there is nothing to arrange.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rekindle.errors import ConfigurationError

ACCOUNTS = ("rekindle", "postgres")
"""System users to run as, by preference; the first is made when there is none."""
RUN_SECONDS = 120.0
"""Longest time that a program may take."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system user that the programs run as."""

    uid: int
    gid: int


def run(account: Account | None, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end, deaf to our terminal's Ctrl-C and to our environment."""
    as_account: dict[str, Any] = {}
    if account is not None:
        as_account = {"user": account.uid, "group": account.gid, "extra_groups": []}
    return subprocess.run(  # noqa: S603 our own programs, no shell reads the arguments
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        umask=0o077,
        start_new_session=True,
        timeout=RUN_SECONDS,
        check=False,
        **as_account,
    )


def owner(path: Path) -> Account | None:
    """Whose the path is; None when it is root's or not there."""
    if not path.exists() or path.stat().st_uid == 0:
        return None
    return Account(path.stat().st_uid, path.stat().st_gid)


def system_account() -> Account:
    """The system user to run as instead of root, which PostgreSQL refuses. Made when there is none."""
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd and not any(_named(name) for name in ACCOUNTS):
        run(None, useradd, "--system", "--no-create-home", ACCOUNTS[0])
    for name in (*ACCOUNTS, "nobody"):
        if account := _named(name):
            return account
    raise ConfigurationError("PostgreSQL does not run as root, and there is no other user to run it as.")


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def let_reach(path: Path, account: Account) -> None:
    """Let the account pass through the path's parents: not list them, not read what is in them."""
    for parent in path.parents:
        _allow(parent, account, stat.S_IXOTH)


def let_read(folder: Path, account: Account) -> None:
    """Let the account read the programs, where a strict umask kept them from it. They are public."""
    if _allow(folder, account, stat.S_IROTH | stat.S_IXOTH):
        for path in folder.rglob("*"):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                _allow(path, account, stat.S_IROTH | (stat.S_IXOTH if runs else 0))


def _allow(path: Path, account: Account, others: int) -> bool:
    """Give the rights to all others, unless the account has them; give whether they were missing."""
    seen = path.stat()
    shift = 6 if seen.st_uid == account.uid else 3 if seen.st_gid == account.gid else 0
    missing = (others << shift) & ~seen.st_mode
    if missing:
        path.chmod(stat.S_IMODE(seen.st_mode) | missing)
    return bool(missing)
