"""The commands, and what they share: settings read once, errors said plainly."""

import typer

from rekindle.cli.chat import chat
from rekindle.cli.cleanup import cleanup
from rekindle.cli.doctor import doctor
from rekindle.cli.embedder import embedder
from rekindle.cli.erase import erase
from rekindle.cli.export import export
from rekindle.cli.import_ import import_
from rekindle.cli.ingest import ingest
from rekindle.cli.migrate import migrate
from rekindle.cli.prices import prices
from rekindle.cli.search import search
from rekindle.cli.serve import serve
from rekindle.cli.token import token
from rekindle.cli.worker import worker

app = typer.Typer(
    name="rekindle",
    help="Chat sessions that pick up where they left off.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, worker, chat, token, search, ingest, export, erase, cleanup, migrate, embedder, doctor):
    app.command()(command)
app.command("import")(import_)
app.add_typer(prices)
