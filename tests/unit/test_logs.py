"""Log lines are JSON, carry ids, and never a secret or a customer's data."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sync_workers import logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(logs, "_hidden", ())
    logs.configure(secrets=["s3cret-token"])
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_carries_the_ids_that_are_bound_and_its_fields(lines: Any) -> None:
    with logs.bound(record=7):
        logs.get("a").info("A record was settled", system="erp")
    (line,) = lines()
    assert (line["message"], line["record"], line["system"]) == ("A record was settled", 7, "erp")
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "sent with s3cret-token inside"},
        {"token": "another-one"},
        {"url": "redis://user:another-one@host/0"},
        {"nested": {"authorization": "another-one"}},
        {"said": ["Bearer another-one"]},
        {"error": ValueError("s3cret-token")},
    ],
)
def test_no_secret_reaches_a_line(lines: Any, fields: dict[str, Any]) -> None:
    logs.get("a").warning("It failed", **fields)
    text = json.dumps(lines())
    assert "s3cret-token" not in text
    assert "another-one" not in text


def test_a_librarys_line_is_masked_as_ours_are(lines: Any) -> None:
    logging.getLogger("celery.worker").error("cannot connect to %s", "redis://:s3cret-token@h//")
    (line,) = lines()
    assert line["logger"] == "celery.worker"
    assert "s3cret-token" not in line["message"]


def test_a_customers_data_is_left_out(lines: Any) -> None:
    logs.get("a").info("A delivery came", payload={"email": "ann@example.com"}, body="ann@example.com")
    assert "ann@example.com" not in json.dumps(lines())


def test_a_database_error_is_logged_without_the_row_it_repeats(lines: Any) -> None:
    said = "duplicate key\nDETAIL:  Key (email)=(ann@example.com) already exists.\n"
    try:
        raise ValueError(said)
    except ValueError:
        logs.get("a").exception("A record's run met a defect")
    (line,) = lines()
    assert "duplicate key" in line["exception"]
    assert "ann@example.com" not in line["exception"]


NAME, ADDRESS = "Ann Smith", "ann@example.com"


def test_the_value_that_a_defect_names_is_left_out_of_every_link_of_the_chain(lines: Any) -> None:
    try:
        try:
            int(NAME)
        except ValueError as error:
            raise KeyError(ADDRESS) from error
    except KeyError:
        logs.get("a").exception("A record's run met a defect")
    (line,) = lines()
    assert NAME not in json.dumps(line)
    assert ADDRESS not in json.dumps(line)
    for text in ("ValueError: invalid literal for int() with base 10: ", "KeyError: ", "int(NAME)", "test_logs.py",
                 "The above exception was the direct cause"):
        assert text in line["exception"]


def test_what_celery_says_of_a_task_that_failed_names_no_value_either(lines: Any) -> None:
    try:
        raise ValueError(f"cannot read {NAME!r}")
    except ValueError as error:
        logging.getLogger("celery.app.trace").error("Task %s raised unexpected: %r", "sync.poll", error, exc_info=True)
    (line,) = lines()
    assert line["message"].startswith("Task sync.poll raised unexpected: ValueError(")
    assert NAME not in json.dumps(line)
