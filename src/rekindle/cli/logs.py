"""What is logged: by servers and workers what happens and where, never what people say; by other commands nothing."""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

from rekindle.cli.console import complaints

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


def server_logs() -> None:
    """Warnings and worse of libraries, and what we tell of ourselves, on standard error."""
    import structlog  # takes a good part of the time that `--help` may take

    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)  # of them, too, the first line: pydantic's others quote what did not fit
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of every pipeline that an error of ours ends
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.ExceptionRenderer(lambda info: traced(info[1])),
            structlog.dev.ConsoleRenderer(colors=True)
            if complaints.is_terminal
            else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def quiet_logs() -> None:
    """Let no log line in between: what a command's person must know, the command says itself."""
    import structlog  # as above

    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class Discreet(logging.Formatter):
    """Of a library's record its first line, and where an error came from."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's name
        """The first line: asyncio puts the error's own words into those that follow."""
        return super().formatMessage(record).partition("\n")[0]

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802
        """Where it came from."""
        return traced(ei[1])


def traced(error: BaseException | None) -> str:
    """Where an error came from, and those it came of, each with its kind.

    Without their texts: PostgreSQL's quote the row that it refused, pydantic's the value that did not fit.
    """
    return "\n".join(_lines(error)) if error else ""


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before:
        yield from _lines(before)
        yield "which led to"
    for place in traceback.extract_tb(error.__traceback__):
        yield f"  {place.filename}:{place.lineno} in {place.name}"
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from (f"| {line}" for line in _lines(one))
