"""Answers that refuse, in the two protocols of the services that are guarded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let through.

    Attributes:
        code: AWS's error code.
        message: What the caller is told.
        status: HTTP status.
    """

    code: str
    message: str
    status: int = 400

    def as_json(self) -> tuple[str, bytes]:
        """Content type and body for services of the JSON protocol."""
        body = json.dumps({"__type": self.code, "message": self.message, "Message": self.message})
        return "application/x-amz-json-1.1", body.encode()

    def as_xml(self) -> tuple[str, bytes]:
        """Content type and body for services of the query protocol."""
        return "text/xml", (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code>"
            f"<Message>{escape(self.message)}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        ).encode()
