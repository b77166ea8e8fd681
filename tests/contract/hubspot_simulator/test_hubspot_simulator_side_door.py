"""The side door, the counters, the saved state, and the process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import requests

from sync_workers.sandbox.hubspot import start


def test_a_person_does_everything_through_the_side_door(simulator, web):
    company = web("POST", "/sandbox/records/companies", {"properties": {"name": "A"}}).json()
    links = [["companies", company["id"]]]
    deal = web("POST", "/sandbox/records/deals", {"properties": {"dealname": "D"}, "links": links}).json()
    assert web("POST", f"/sandbox/deals/{deal['id']}/stage", {"stage": "Closed Won"}).status_code == 200
    seen = web("GET", f"/sandbox/records/deals/{deal['id']}").json()
    assert seen["properties"]["dealstage"] == "closedwon"
    assert seen["links"] == {"companies": [company["id"]]}
    edit = {"properties": {"amount": "5"}, "user": 9}
    assert web("PATCH", f"/sandbox/records/deals/{deal['id']}", edit).status_code == 200
    assert simulator.account.records.by_type["0-3"][deal["id"]].history["amount"][0]["id"] == "userId:9"
    link = f"/sandbox/records/deals/{deal['id']}/links/companies/{company['id']}"
    assert [web(verb, link).status_code for verb in ("DELETE", "PUT")] == [204, 204]
    assert web("DELETE", f"/sandbox/records/deals/{deal['id']}").status_code == 204
    assert web("GET", "/sandbox/records/deals").json()["results"] == []
    assert web("POST", f"/sandbox/records/deals/{deal['id']}/restore").status_code == 200


def test_requests_and_writes_are_counted_and_people_are_counted_apart(simulator, web):
    made = web("POST", "/crm/v3/objects/companies", {"properties": {"name": "A"}}).json()
    web("PATCH", f"/crm/v3/objects/companies/{made['id']}", {"properties": {"name": "A"}})
    simulator.account.person().edit("companies", made["id"], {"name": "B"})
    counters = web("GET", "/sandbox/counters").json()
    assert counters["requests"] == {"POST /crm/v3/objects/{type}": 1, "PATCH /crm/v3/objects/{type}/{id}": 1}
    assert counters["writes"] == {
        "api create companies": 1,
        "api unchanged companies": 1,
        "ui update companies": 1,
    }
    assert counters["written_by_api"] == 1
    assert [row["status"] for row in web("GET", "/sandbox/requests").json()["results"]] == [201, 200]


def test_webhooks_are_watched_paused_and_resumed_at_the_side_door(simulator, web):
    web("POST", "/sandbox/subscribe", {"company.creation": [], "company.propertyChange": ["name", "city"]})
    web("POST", "/sandbox/webhooks/pause")
    web("POST", "/sandbox/records/companies", {"properties": {"name": "A"}})
    waiting = web("GET", "/sandbox/webhooks").json()
    assert (waiting["queued"], waiting["paused"], waiting["log"]) == (2, True, [])
    web("POST", "/sandbox/webhooks/resume")
    assert web("POST", "/sandbox/webhooks/wait", {"timeout_s": 30}).json() == {"idle": True}
    assert [row["status"] for row in web("GET", "/sandbox/webhooks").json()["log"]] == [204]


def test_settings_are_changed_while_it_runs_and_a_reset_forgets_the_rest(simulator, web):
    web("POST", "/sandbox/records/companies", {"properties": {"name": "A"}})
    assert web("PATCH", "/sandbox/settings", {"burst": 190}).json()["burst"] == 190
    assert web("PATCH", "/sandbox/settings", {"bust": 190}).status_code == 400
    assert web("POST", "/sandbox/reset").status_code == 204
    assert web("GET", "/sandbox/records/companies").json()["results"] == []
    assert simulator.account.settings.burst == 190


def test_a_stopped_account_comes_back_whole_with_what_was_still_to_be_delivered(tmp_path, receiver):
    state = tmp_path / "hubspot.json"
    first = start(state=state)
    first.account.subscribe("company.propertyChange", "erp_id")
    first.account.definitions.create(
        "0-2",
        {"name": "erp_id", "label": "ERP", "type": "string", "fieldType": "text", "groupName": "information",
         "hasUniqueValue": True},
        first.account.now_ms(),
    )  # fmt: skip
    person = first.account.person()
    company = person.create("companies", {"name": "A", "erp_id": "C-1"})
    person.create("deals", {"dealname": "D"}, [("companies", company["id"])])
    before = first.account.dump()
    first.stop()
    second = start(state=state, webhook_url=receiver.url)
    try:
        assert second.account.delivery.wait_until_idle()
        events = [event for arrival in receiver.arrivals for event in json.loads(arrival.body)]
        assert [event["propertyValue"] for event in events] == ["C-1"]
        after = second.account.dump()
        same = ("types", "definitions", "pipelines", "records", "associations", "subscriptions", "tokens")
        assert json.dumps({name: after[name] for name in same}) == json.dumps(
            {name: before[name] for name in same}
        )
        kind = second.account.types.find("companies")
        assert second.account.records.get(kind, "C-1", "erp_id").id == company["id"]
    finally:
        second.stop()


def test_it_runs_as_a_process_of_its_own_and_saves_when_told_to_end(tmp_path):
    state = tmp_path / "hubspot.json"
    command = [
        sys.executable,
        "-m",
        "sync_workers.sandbox.hubspot",
        "--state",
        str(state),
        "--token",
        "secret",
    ]
    process = subprocess.Popen([*command, "--app-id", "777"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(" ", 1)[1].strip()
        header = {"Authorization": "Bearer secret"}
        body = {"properties": {"name": "A"}}
        made = requests.post(f"{url}/crm/v3/objects/companies", json=body, headers=header, timeout=30)
        assert made.json()["properties"]["hs_object_source_id"] == "777"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        process.stdout.close()
    assert made.json()["id"] in state.read_text()


def test_a_stopped_simulator_answers_nobody_not_even_on_an_open_connection():
    running = start()
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{running.url}/sandbox/settings", timeout=30).status_code == 200
        running.stop()
        try:
            session.get(f"{running.url}/sandbox/settings", timeout=30)
        except requests.ConnectionError:
            return
    raise AssertionError("a stopped simulator answered")
