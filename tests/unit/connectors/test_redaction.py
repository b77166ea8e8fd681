"""No credential gets through, whatever it stands in."""

from __future__ import annotations

import pytest

from sync_workers.connectors.redaction import Redaction

SECRET = "s3cr3t/va+lue="


@pytest.mark.parametrize(
    "text",
    [
        f"GET /x?token={SECRET} failed",
        "GET /x?token=s3cr3t%2Fva%2Blue%3D failed",
        f'{{"password": "{SECRET}"}}',
        f"Authorization: Bearer {SECRET}",
        f"plain {SECRET} text",
    ],
)
def test_a_known_secret_is_masked_everywhere(text: str) -> None:
    masked = Redaction([SECRET])(text)
    assert SECRET not in masked
    assert "s3cr3t" not in masked


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "abc\\"def123"}',
        "client_secret=abc-def123&x=1",
        "hapikey=def123",
        "Bearer abc.def123",
        "api_key: 'def123'",
    ],
)
def test_what_stands_behind_a_credentials_name_is_masked_unknown_or_not(text: str) -> None:
    assert "def123" not in Redaction()(text)


def test_innocent_text_is_left_alone() -> None:
    text = "order 1042: the ERP has no currency 'XBT'; add it there, then replay"
    assert Redaction(["", None, "abc"])(text) == text
