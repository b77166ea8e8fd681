"""Structured logs: one JSON object per line, on standard error, for ours and for every library's.

A line is a constant sentence with fields beside it: ids always, customer data never. Celery and
granian are pointed here too, so that secrets are masked in one place. ``hide`` tells which they are.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

MASK = "***"
LEFT_OUT = "<left out>"
SHORTEST = 4  # a shorter "secret" would mask innocent text everywhere

_SECRET_NAME = re.compile(
    r"(?i)secret|token|password|passwd|authorization|api_?key|cookie|signature|credential"
)
_CUSTOMER_DATA = frozenset({"payload", "body", "fields", "values", "request", "response", "headers", "email"})
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
# PostgreSQL repeats the offending row under these headings
_ROW_VALUES = re.compile(r"(?m)^(DETAIL|CONTEXT|LINE \d+):.*(?:\n[ \t]+\^?.*)*")
# A defect's own words quote the value that it could not take: int('Ann'), KeyError('ann@example.com')
_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"

_hidden: tuple[str, ...] = ()


def hide(secrets: Iterable[str]) -> None:
    """Mask these texts in every later line of this process."""
    global _hidden
    known = {*_hidden, *(secret for secret in secrets if len(secret) >= SHORTEST)}
    _hidden = tuple(sorted(known, key=len, reverse=True))  # the longest first: one may begin with another


def masked(text: str) -> str:
    """Return ``text`` without known secrets, credentials in URLs and the row values of database errors."""
    for secret in _hidden:
        text = text.replace(secret, MASK)
    text = _URL_PASSWORD.sub(rf"\g<1>{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _ROW_VALUES.sub(rf"\1: {LEFT_OUT}", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {str(key): _clean_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return masked(str(value))


def _clean_field(key: str, value: Any) -> Any:
    if key in _CUSTOMER_DATA:
        return LEFT_OUT
    return MASK if _SECRET_NAME.search(key) and isinstance(value, (str, bytes)) else _clean(value)


def _told(error: BaseException, seen: frozenset[int] = frozenset()) -> str:
    """Return a traceback whose messages name no value; ``dead show`` has a record's with all of it."""
    if id(error) in seen:
        return ""
    before = ""
    if error.__cause__ is not None:
        before = _told(error.__cause__, seen | {id(error)}) + _BECAUSE
    elif error.__context__ is not None and not error.__suppress_context__:
        before = _told(error.__context__, seen | {id(error)}) + _MEANWHILE
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{before}Traceback (most recent call last):\n{frames}{type(error).__qualname__}: {_without_values(error)}"


def _without_values(said: object) -> str:
    return _QUOTED.sub(LEFT_OUT, str(said))


def tell_exception(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Render an exception that comes with a line; the message of a library may repeat it."""
    given = line.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        line["exception"] = _told(error)
        line["event"] = _without_values(line.get("event", ""))
    return line


def redact(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets and leave out what may hold customer data; the last step before a line is written."""
    return {key: _clean_field(key, value) for key, value in line.items()}


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configuration(level: str = "INFO") -> dict[str, Any]:
    """Return the standard library's logging set-up (``dictConfig``), which granian takes as it is."""
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.PositionalArgumentsFormatter()],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    tell_exception,
                    structlog.processors.EventRenamer("message"),
                    redact,
                    structlog.processors.JSONRenderer(sort_keys=True),
                ],
            }
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "_granian": {"level": level, "propagate": True},
            "granian.access": {"level": level, "propagate": True},
            # a line per task would cost more than the task's own bookkeeping
            "celery.app.trace": quiet,
            "celery.worker.strategy": quiet,
            "kombu": quiet,
            "alembic": quiet,
            "urllib3": quiet,
        },
    }


def configure(level: str = "INFO", *, secrets: Iterable[str] = ()) -> None:
    """Point this process's logging here. Twice is harmless."""
    hide(secrets)
    logging.config.dictConfig(configuration(level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: ``log = logs.get(__name__)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


bound = structlog.contextvars.bound_contextvars
"""``with logs.bound(record=7, system="erp"):`` puts these ids on every line inside, in this thread."""
