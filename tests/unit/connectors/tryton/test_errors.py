from __future__ import annotations

import pytest

from sync_workers.connectors.http import Reply
from sync_workers.connectors.tryton.errors import (
    BusinessError,
    StaleError,
    WarningAsked,
    sort_error,
    sort_status,
)
from sync_workers.errors import PermanentError, SystemDown, TransientError

PAGE = b"<!doctype html><title>503 Service Unavailable</title><p>%s</p>"


@pytest.mark.parametrize(
    ("error", "sorted_as"),
    [
        pytest.param(["UserError", ["The code must be unique.", "", None]], BusinessError, id="a rule"),
        pytest.param(
            ["UserWarning", ["ab12.credit_limit_amount", "Really?", ""]], WarningAsked, id="a question"
        ),
        pytest.param(["ConcurrencyException", "Records were modified"], StaleError, id="a stale stamp"),
        pytest.param(["LoginException", ["password", "Password", "password"]], SystemDown, id="a login"),
        pytest.param(["'nofield'", ""], PermanentError, id="an unknown field"),
        pytest.param("odd", PermanentError, id="something new"),
    ],
)
def test_an_error_of_the_server(error, sorted_as):
    assert type(sort_error("erp: sale.sale.write", error)) is sorted_as


def test_a_refusal_carries_the_server_s_words():
    error = sort_error(
        "erp: party.party.create", ["UserError", ["Der Code ist vergeben.", "Ändern Sie ihn.", None]]
    )
    assert "Der Code ist vergeben." in error.message
    assert error.mend == "Ändern Sie ihn."


def test_a_question_names_the_setting_that_accepts_it():
    asked = sort_error("erp: sale.sale.confirm", ["UserWarning", ["ab12.late_delivery", "Really?", ""]])
    assert "'late_delivery'" in asked.mend


@pytest.mark.parametrize(
    ("status", "body", "writes", "sorted_as"),
    [
        pytest.param(
            503, PAGE % b"could not obtain lock on relation", True, TransientError, id="lock refused"
        ),
        pytest.param(503, PAGE % b"could not serialize access", True, TransientError, id="serialization"),
        pytest.param(
            503, PAGE % b"the gateway is tired", True, None, id="a write behind a proxy stays unsure"
        ),
        pytest.param(504, b"", False, TransientError, id="a read timed out"),
        pytest.param(504, b"", True, None, id="a write timed out somewhere stays unsure"),
        pytest.param(403, b"", True, PermanentError, id="method not open"),
        pytest.param(404, b"", True, SystemDown, id="no such database"),
        pytest.param(429, b"", True, None, id="throttled is the same everywhere"),
    ],
)
def test_a_status_of_the_server(status, body, writes, sorted_as):
    sorted_ = sort_status("erp", Reply(status, {}, body, 1.0), writes)
    assert (type(sorted_) if sorted_ else None) is sorted_as
