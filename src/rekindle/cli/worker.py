"""`rekindle worker`: runs jobs, and nothing else."""

import asyncio
import signal

from rekindle.cli.console import console, plain_errors, read_settings
from rekindle.cli.logs import server_logs
from rekindle.settings import Settings


def worker() -> None:
    """Run jobs: summaries, idle sessions, retention. Stop it with Ctrl+C or SIGTERM: running jobs get 5 seconds.

    With REKINDLE_JOBS_IN_SERVER=false the servers leave jobs to workers.
    """
    settings = read_settings()
    server_logs()
    with plain_errors():
        asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_house(settings, jobs_only=True):
        console.print("Running jobs. Stop with Ctrl+C.")
        await stopped.wait()
