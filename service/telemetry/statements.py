"""A span for each SQL statement, without its parameters.

OpenTelemetry's own instrumentation (0.66b1) ends at SQLAlchemy 2.0 and patches the whole
library; these are the same events, on our engine alone. Names follow the semantic
conventions for database client spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import event

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from sqlalchemy.engine import Connection, Engine, ExceptionContext

_SPAN = "_service_span"


def trace_statements(engine: Engine | Connection, provider: TracerProvider) -> None:
    """Record a span for each statement of ``engine``.

    Args:
        engine: The engine.
        provider: Receiver of the spans.
    """
    tracer = provider.get_tracer("service.database")

    def before(
        _: Any,
        __: Any,
        statement: str,
        ___: Any,
        context: Any,
        ____: bool,
    ) -> None:
        operation = statement.split(None, 1)[0].upper()
        span = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                # Values are bound, so the text holds none.
                "db.query.text": statement,
            },
        )
        setattr(context, _SPAN, span)

    def after(_: Any, __: Any, ___: str, ____: Any, context: Any, _____: bool) -> None:
        getattr(context, _SPAN).end()

    def failed(context: ExceptionContext) -> None:
        span = getattr(context.execution_context, _SPAN, None)
        if span is not None:
            # The message may quote a row; the class is enough.
            kind = type(context.original_exception).__name__
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, kind))
            span.end()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
