"""`python -m rekindle` is `rekindle`."""

from rekindle.cli import app

app(prog_name="rekindle")
