"""structlog through the standard library: one format for every line of the process.

Lines of uvicorn, SQLAlchemy and other libraries are processed likewise, so they contain the
request's identifiers and are redacted too.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog
from pydantic_core import PydanticSerializationError, to_json

from service.telemetry.redaction import redact

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(
    *, level: str, style: Literal["auto", "json", "console"], stream: TextIO | None = None
) -> None:
    """Send every line of the process to ``stream``.

    Args:
        level: Lowest level that is written.
        style: ``json``, ``console``, or ``auto``: console on a terminal, else JSON.
        stream: Output; standard output if None.
    """
    stream = stream or sys.stdout
    console = style == "console" or (style == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_colors,
                # The plain traceback: the coloured ones print local variables.
                structlog.processors.format_exc_info,
                redact,
                _renderer(console=console, colors=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    _spare_unused_work()
    for name in ("uvicorn", "uvicorn.error", "sqlalchemy", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # At debug, SQLAlchemy logs each statement, but never its parameters (hide_parameters).
    logging.getLogger("sqlalchemy.engine").setLevel("INFO" if level == "debug" else "WARNING")
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _without_colors(_: object, __: str, event: EventDict) -> EventDict:
    # uvicorn logs some lines twice, the second time for a terminal.
    event.pop("color_message", None)
    return event


def _renderer(*, console: bool, colors: bool) -> Processor:
    if console:
        return structlog.dev.ConsoleRenderer(colors=colors)
    # pydantic's encoder takes a fifth of the standard library's time.
    return structlog.processors.JSONRenderer(serializer=_encode)


def _encode(event: Any, **_: Any) -> str:
    try:
        return to_json(event, fallback=str, inf_nan_mode="strings").decode()
    except PydanticSerializationError:
        # A lone surrogate, which UTF-8 can't hold, must not cost the line.
        return json.dumps(event, default=str)


def _spare_unused_work() -> None:
    """Disable record fields that no log line prints (Logging HOWTO, "Optimization")."""
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  (as the HOWTO says)
