"""What crosses the wire: requests, replies, refusals, and how instants are written.

Knows HubSpot's error shape and nothing of records. Times are epoch milliseconds
inside the simulator and ISO 8601 UTC outside it, as in HubSpot's v3 CRM API.
Source: developers.hubspot.com, "Error handling"; HubSpot/hubspot-api-python, models ``Error``
and ``StandardError``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Json = dict[str, Any]


def iso(epoch_ms: int) -> str:
    """Write an instant as HubSpot does: UTC, three decimals only where they are not zero."""
    at = datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{epoch_ms % 1000:03d}Z" if epoch_ms % 1000 else f"{text}Z"


class Refusal(Exception):
    """A request that HubSpot answers with an error status."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: list[Json] | None = None,
        context: dict[str, list[str]] | None = None,
        sub_category: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = errors
        self.context = context
        self.sub_category = sub_category
        self.headers = headers or {}

    def body(self, correlation_id: str) -> Json:
        """Return the error as the body of a whole answer."""
        answer: Json = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        }
        if self.errors:
            answer["errors"] = self.errors
        if self.context:
            answer["context"] = self.context
        if self.sub_category:
            answer["subCategory"] = self.sub_category
        return answer

    def row(self, trace_id: str | None = None) -> Json:
        """Return the error as one row of a 207 answer; ``trace_id`` tells the caller which input failed."""
        context = dict(self.context or {})
        if trace_id is not None:
            context["objectWriteTraceId"] = [trace_id]
        answer: Json = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "errors": self.errors or [],
            "context": context,
            "links": {},
        }
        if self.sub_category:
            answer["subCategory"] = self.sub_category
        return answer


def invalid(message: str, errors: list[Json] | None = None, sub_category: str | None = None) -> Refusal:
    """Return the 400 that HubSpot gives for a request it understood but will not take."""
    return Refusal(400, "VALIDATION_ERROR", message, errors=errors, sub_category=sub_category)


def missing_scopes(scopes: list[str]) -> Refusal:
    """Return the 403 of an app, or of an account's edition, that may not do this."""
    told = {"message": "One or more of the following scopes are required.",
            "context": {"requiredGranularScopes": scopes}}  # fmt: skip
    return Refusal(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call.",
        errors=[told],
    )


def not_found(message: str = "resource not found", context: dict[str, list[str]] | None = None) -> Refusal:
    """Return the 404 of a record, property or pipeline that is not there."""
    return Refusal(404, "OBJECT_NOT_FOUND", message, context=context)


@dataclass(frozen=True)
class Request:
    """One request as received; ``body`` is the raw bytes, header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def one(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[-1] if values else default

    def many(self, name: str) -> list[str]:
        """Return a list parameter, given once with commas or several times."""
        return [item for value in self.query.get(name, []) for item in value.split(",") if item]

    def flag(self, name: str) -> bool:
        return self.one(name).lower() == "true"

    def integer(self, name: str, default: int) -> int:
        text = self.one(name)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise invalid(f"Invalid input JSON: {name} must be an integer, not {text!r}") from None

    def any_json(self) -> Any:
        try:
            return json.loads(self.body or b"null")
        except ValueError as error:
            raise invalid(f"Invalid input JSON on line 1, column 1: {error}") from None

    def json(self) -> Json:
        document = self.any_json()
        if not isinstance(document, dict):
            raise invalid("Invalid input JSON: an object is required")
        return document

    def inputs(self, most: int) -> list[Json]:
        """Return the rows of a batch request, refusing an oversized one as a whole."""
        rows = self.json().get("inputs")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
        if len(rows) > most:
            raise invalid(
                f"The maximum number of inputs supported in a batch request is {most}; got {len(rows)}"
            )
        return rows


@dataclass
class Reply:
    """One answer; a ``body`` of None is sent as an empty one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


def require(document: Json, *names: str) -> None:
    """Refuse a body that lacks a required field, in HubSpot's words."""
    missing = [name for name in names if document.get(name) is None]
    if missing:
        raise invalid(f"Invalid input JSON: some required fields were not set: [{', '.join(missing)}]")


def new_correlation_id() -> str:
    return str(uuid4())
