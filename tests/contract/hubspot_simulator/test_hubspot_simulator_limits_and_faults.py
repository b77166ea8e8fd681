"""Tokens, rate limits, and everything that can go wrong on purpose."""

from __future__ import annotations

import threading

import pytest
import requests

COMPANY = {"properties": {"name": "A"}}


def count(simulator):
    return len(simulator.account.person().see_all("companies"))


@pytest.mark.parametrize(
    "header", [{"Authorization": "Bearer wrong"}, {"Authorization": ""}, {"Authorization": "x"}]
)
def test_a_call_without_a_valid_token_is_refused(web, header):
    answer = web("GET", "/crm/v3/objects/companies", headers=header)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_an_oauth_token_works_until_it_expires_and_is_then_refreshed(simulator, web):
    form = {
        "grant_type": "refresh_token",
        "client_id": simulator.account.settings.client_id,
        "client_secret": simulator.account.settings.client_secret,
        "refresh_token": simulator.account.settings.refresh_token,
    }
    token = requests.post(f"{simulator.url}/oauth/v1/token", data=form, timeout=30).json()
    assert (token["expires_in"], token["token_type"]) == (1800, "bearer")
    header = {"Authorization": f"Bearer {token['access_token']}"}
    assert web("GET", "/crm/v3/objects/companies", headers=header).status_code == 200
    web("POST", "/sandbox/tokens/expire")
    expired = web("GET", "/crm/v3/objects/companies", headers=header)
    assert (expired.status_code, expired.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    again = requests.post(f"{simulator.url}/oauth/v1/token", data=form, timeout=30).json()
    assert again["access_token"] != token["access_token"]
    bad = requests.post(f"{simulator.url}/oauth/v1/token", data={**form, "refresh_token": "x"}, timeout=30)
    assert (bad.status_code, bad.json()["category"]) == (400, "BAD_REFRESH_TOKEN")


def test_calls_beyond_the_burst_are_refused_in_the_documented_words(simulator, web):
    simulator.account.settings.burst = 3
    simulator.account.settings.burst_window_s = 3600
    answers = [web("GET", "/crm/v3/objects/companies") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["X-HubSpot-RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["X-HubSpot-RateLimit-Max"] == "3"
    assert answers[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "3600000"
    assert "X-HubSpot-RateLimit-Daily" not in answers[0].headers
    assert "Retry-After" not in answers[3].headers
    body = answers[3].json()
    assert set(body) == {"status", "message", "errorType", "correlationId", "policyName", "requestId"}
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")


def test_the_daily_limit_is_told_in_headers_and_in_its_own_words(simulator, web):
    simulator.account.settings.daily = 1
    first, second = (web("GET", "/crm/v3/objects/companies") for _ in range(2))
    assert first.headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
    assert (second.status_code, second.json()["policyName"]) == (429, "DAILY")
    assert second.json()["message"] == "You have reached your daily limit."


@pytest.mark.parametrize(
    ("kind", "details", "committed"),
    [("drop", {}, 0), ("commit_drop", {}, 1), ("half", {}, 1)],
)
def test_a_broken_connection(simulator, web, kind, details, committed):
    simulator.account.faults.install(kind, "/objects/companies", method="POST", **details)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        web("POST", "/crm/v3/objects/companies", COMPANY)
    assert count(simulator) == committed
    assert web("POST", "/crm/v3/objects/companies", COMPANY).status_code == 201


@pytest.mark.parametrize(
    ("kind", "status", "committed"),
    [("commit_status", 502, 1), ("commit_status", 503, 1), ("commit_status", 504, 1), ("error", 500, 0)],
)
def test_an_error_with_and_without_the_work_done(simulator, web, kind, status, committed):
    simulator.account.faults.install(kind, "/objects/companies", method="POST", status=status)
    assert web("POST", "/crm/v3/objects/companies", COMPANY).status_code == status
    assert count(simulator) == committed


def test_a_throttled_call_is_not_carried_out(simulator, web):
    simulator.account.faults.install("throttle", "/objects/companies", times=2)
    assert [web("POST", "/crm/v3/objects/companies", COMPANY).status_code for _ in range(3)] == [
        429,
        429,
        201,
    ]
    assert count(simulator) == 1


def test_a_slow_answer_outlasts_the_patience_of_the_caller_though_the_work_is_done(simulator, web):
    fault = simulator.account.faults.install("hold", "/objects/companies", method="POST")
    with pytest.raises(requests.ReadTimeout):
        web("POST", "/crm/v3/objects/companies", COMPANY, timeout=(30, 0.2))
    assert count(simulator) == 1
    assert simulator.account.faults.remove(fault.id)


def test_a_held_answer_arrives_once_it_is_released(simulator, web):
    fault = simulator.account.faults.install("hold", "/objects/companies", method="POST")
    answers = []
    caller = threading.Thread(
        target=lambda: answers.append(web("POST", "/crm/v3/objects/companies", COMPANY))
    )
    caller.start()
    fault.released.set()
    caller.join(timeout=30)
    assert [each.status_code for each in answers] == [201]


def test_a_dripping_answer_is_whole_in_the_end(simulator, web):
    simulator.account.faults.install("drip", "/objects/companies", seconds=0.0001)
    answer = web("POST", "/crm/v3/objects/companies", COMPANY)
    assert answer.json()["properties"]["name"] == "A"


def test_a_fault_with_a_probability_strikes_the_same_calls_every_time(simulator, web):
    def struck():
        simulator.account.faults.install("error", "/objects/companies", times=None, probability=0.5, seed=7)
        answers = [web("GET", "/crm/v3/objects/companies").status_code for _ in range(20)]
        simulator.account.faults.clear()
        return answers

    first = struck()
    assert set(first) == {200, 500}
    assert struck() == first


def test_faults_are_installed_and_removed_at_the_side_door(web):
    made = web("POST", "/sandbox/faults", {"kind": "error", "path": "/objects/deals", "status": 503}).json()
    assert web("GET", "/crm/v3/objects/companies").status_code == 200
    assert web("GET", "/crm/v3/objects/deals").status_code == 503
    assert web("GET", "/sandbox/faults").json()["results"][0]["hits"] == 1
    assert web("DELETE", f"/sandbox/faults/{made['id']}").status_code == 204
    assert web("POST", "/sandbox/faults", {"kind": "flood"}).status_code == 400
