"""The command line: `rekindle …`, one file a command."""

from rekindle.cli.main import app

__all__ = ["app"]
