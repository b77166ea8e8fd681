"""What goes out: an answer to a sender as a status, headers and a body, the same under every server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

JSON = "application/json"
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True)
class Answer:
    """What to tell a sender: a status, a sentence, and when to come again."""

    status: int
    text: str
    retry_after_s: int | None = None


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def line(self) -> str:
        return _STATUS.get(self.status, f"{self.status} Unknown")


def reply(status: int, content_type: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    return Reply(
        status,
        [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            *headers,
        ],
        body,
    )


@lru_cache(maxsize=256)
def said(answer: Answer, allow: str = "POST") -> Reply:
    """Return an answer in the form of all answers: nearly every delivery gets the same."""
    headers = [("Allow", allow)] if answer.status == 405 else []
    if answer.retry_after_s is not None:
        headers.append(("Retry-After", str(answer.retry_after_s)))
    return reply(answer.status, JSON, json.dumps({"message": answer.text}).encode(), headers)
