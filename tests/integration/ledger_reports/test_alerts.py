"""What people are told: once per incident, until it is out, and never in silence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sync_workers import logs
from sync_workers.alerts import send_due
from sync_workers.ledger import counts
from sync_workers.ledger.alerts import Outbox, close_incident, due_alerts, raise_alert


class Mailbox:
    """A real HTTP server that Apprise posts to; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.status = 200
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if mailbox.status == 200:
                    mailbox.messages.append(json.loads(body))
                self.send_response(mailbox.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


def raise_one(desk, incident="dead:order:PermanentError:unit", subject="order stopped", body="record 7", **more):
    return desk.ledger.run(lambda tx: raise_alert(tx, incident, "error", subject, body, **more))


def unsent(desk):
    with desk.ledger.transaction() as tx:
        return counts.status(tx)["alerts"]


def due_now(desk):
    desk.sql("UPDATE alerts SET next_try_at = clock_timestamp()")


def test_an_alert_is_sent_once_with_what_to_do(desk, mailbox):
    raise_one(desk, body="Add the unit, then: sync-workers dead requeue 3")
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 0
    (message,) = mailbox.messages
    assert message["title"] == "order stopped"
    assert "sync-workers dead requeue 3" in message["message"]
    assert unsent(desk)["unsent"] == 0


def test_ten_thousand_failures_give_one_alert_per_incident(desk, mailbox):
    def fail(number: int) -> None:
        incident = f"dead:order:PermanentError:{('unit', 'tax_code', 'part')[number % 3]}"
        with desk.ledger.transaction() as tx:
            for _ in range(100):
                raise_alert(tx, incident, "error", "order stopped", "see the list")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(100)))
    sent = send_due(Outbox(desk.ledger), [mailbox.url])
    assert (sent.sent, len(mailbox.messages)) == (3, 3)
    assert desk.one("SELECT sum(count) FROM alerts") == 10_000
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 0


def test_a_channel_that_is_down_leaves_the_alert_unsent_and_is_tried_again(desk, mailbox):
    raise_one(desk)
    mailbox.status = 503
    sent = send_due(Outbox(desk.ledger), [mailbox.url])
    assert (sent.sent, sent.failed) == (0, 1)
    shown = unsent(desk)
    assert shown["unsent"] == 1
    assert "number 1 (json)" in shown["list"][0]["error"]
    assert send_due(Outbox(desk.ledger), [mailbox.url]).failed == 0, "it is not due yet"
    mailbox.status = 200
    due_now(desk)
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1
    assert unsent(desk)["unsent"] == 0


def test_waits_between_tries_grow(desk):
    raise_one(desk)
    waits = []
    for _ in range(4):
        due_now(desk)
        assert send_due(Outbox(desk.ledger), ["json://127.0.0.1:1/nobody"]).failed == 1
        waits.append(desk.one("SELECT extract(epoch FROM next_try_at - clock_timestamp())::int FROM alerts"))
    assert waits == sorted(set(waits))
    assert desk.one("SELECT tries FROM alerts") == 4


def test_one_channel_down_keeps_nobody_else_in_the_dark(desk, mailbox):
    raise_one(desk)
    sent = send_due(Outbox(desk.ledger), ["json://127.0.0.1:1/nobody", mailbox.url])
    assert sent.sent == len(mailbox.messages) == 1
    assert "number 1" in (desk.one("SELECT error FROM alerts") or "")


@pytest.mark.parametrize("urls", [[], ["nonsense"], ["nosuchthing://secret-token@host"]])
def test_without_a_usable_channel_the_alert_stands_as_unsent_and_says_why(desk, mailbox, urls):
    raise_one(desk)
    sent = send_due(Outbox(desk.ledger), urls)
    assert sent.failed == 1
    assert "SYNC_ALERT_URLS" in (sent.error or "")
    assert "secret-token" not in (sent.error or "")
    assert unsent(desk)["unsent"] == 1
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1, "a channel set later gets it at once"


def test_secrets_do_not_leave_the_house(desk, mailbox):
    logs.hide(["hunter2-hunter2"])
    raise_one(desk, subject="erp: hunter2-hunter2 refused", body="Bearer abcdefgh12345 at https://u:pw@erp/")
    send_due(Outbox(desk.ledger), [mailbox.url])
    told = json.dumps(mailbox.messages)
    assert "hunter2" not in told
    assert "abcdefgh12345" not in told
    assert "u:pw@" not in told


def test_a_flood_of_different_incidents_comes_in_few_messages(desk, mailbox):
    for number in range(60):
        raise_one(desk, incident=f"dead:order:PermanentError:{number}")
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 60
    assert len(mailbox.messages) == 11


def test_an_incident_that_goes_on_is_told_again_after_an_hour_with_its_count(desk, mailbox):
    raise_one(desk)
    send_due(Outbox(desk.ledger), [mailbox.url])
    raise_one(desk)
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 0
    desk.sql("UPDATE alerts SET sent_at = sent_at - interval '61 minutes'")
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1
    assert "2 times" in mailbox.messages[1]["message"]


def test_an_incident_over_before_anybody_was_told_is_still_told(desk, mailbox):
    raise_one(desk)
    desk.ledger.run(lambda tx: close_incident(tx, "dead:order:PermanentError:unit"))
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1
    assert "Over by itself" in mailbox.messages[0]["message"]


def test_what_comes_back_after_its_end_is_a_new_incident_unless_it_flaps(desk, mailbox):
    for quiet_s, expected in ((0.0, 2), (600.0, 2)):
        raise_one(desk, quiet_s=quiet_s)
        send_due(Outbox(desk.ledger), [mailbox.url])
        desk.ledger.run(lambda tx: close_incident(tx, "dead:order:PermanentError:unit"))
        raise_one(desk, quiet_s=quiet_s)
        send_due(Outbox(desk.ledger), [mailbox.url])
        desk.ledger.run(lambda tx: close_incident(tx, "dead:order:PermanentError:unit"))
        assert len(mailbox.messages) == expected


def test_a_sender_that_dies_leaves_its_alerts_to_the_next_one(desk, mailbox):
    raise_one(desk)
    assert len(desk.ledger.run(lambda tx: due_alerts(tx))) == 1
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 0
    due_now(desk)
    assert send_due(Outbox(desk.ledger), [mailbox.url]).sent == 1


def test_the_gravest_severity_of_an_incident_stays(desk):
    for severity in ("warning", "critical", "info"):
        desk.ledger.run(lambda tx, severity=severity: raise_alert(tx, "x", severity, "x"))
    assert desk.one("SELECT severity FROM alerts") == "critical"
