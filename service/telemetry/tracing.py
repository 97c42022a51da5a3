"""OpenTelemetry traces of requests and statements, when an endpoint is configured.

FastAPI creates the spans of requests itself; here they get an exporter, and personal data is
removed. The SDK is imported only if it is used: it would be a third of the time that the process
takes to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.telemetry.redaction import REDACTED

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from service.settings import BuildInformation, Settings

# Values that a client sent; the keys are those of the semantic conventions for HTTP.
_CLIENTS_VALUES = ("url.query", "url.full", "http.url", "http.target", "user_agent.original")


def provider(
    settings: Settings, build: BuildInformation, *, processor: SpanProcessor | None = None
) -> TracerProvider | None:
    """Return the provider of spans, None if no endpoint is configured.

    Args:
        settings: Settings with the endpoint; the exporter reads the other ``OTEL_*`` itself.
        build: Build information, an attribute of every span.
        processor: Replaces the exporter, for tests.
    """
    if processor is None and not settings.otlp_endpoint:
        return None
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    resource = Resource.create(
        {
            "service.name": settings.service_name,
            "service.version": build.commit,
            "deployment.environment.name": build.environment,
        }
    )
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(_redacting())
    made.add_span_processor(processor or _exporting())
    return made


def telemetry_config(tracer_provider: TracerProvider | None) -> TelemetryConfig:
    """Return FastAPI's configuration: spans of requests, if there is a provider."""
    return {
        "tracing": tracer_provider is not None,
        "tracer_provider": tracer_provider,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": _is_probe,
    }


def _is_probe(scope: Any) -> bool:
    path: str = scope.get("path", "")
    return path.startswith("/health") or path == "/metrics"


def _exporting() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    return BatchSpanProcessor(OTLPSpanExporter())


def _redacting() -> SpanProcessor:
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415

    class Redacting(SpanProcessor):
        """Span processor that overwrites data of the client as soon as a span contains it."""

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            del parent_context
            for key in _CLIENTS_VALUES:
                if key in (span.attributes or {}):
                    span.set_attribute(key, REDACTED)

    return Redacting()
