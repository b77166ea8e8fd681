"""The search, with its operators, its limits and its lag."""

from __future__ import annotations

import json

import pytest
from hubspot.crm.companies import PublicObjectSearchRequest
from hubspot.crm.companies.exceptions import ApiException


@pytest.fixture
def parts(simulator):
    person = simulator.account.person()
    rows = [
        {"name": "Bolt M8", "hs_sku": "B-8", "price": "0.5"},
        {"name": "Bolt M10", "hs_sku": "B-10", "price": "10"},
        {"name": "Nut", "hs_sku": "n-8", "price": "9"},
        {"name": "Washer"},
    ]
    for row in rows:
        person.create("products", row)


def found(client, *filters, **more):
    groups = [{"filters": list(filters)}] if filters else []
    asked = PublicObjectSearchRequest(filter_groups=groups, properties=["name"], **{"limit": 100, **more})
    answer = client.crm.products.search_api.do_search(asked)
    assert answer.total >= len(answer.results)
    return [each.properties["name"] for each in answer.results]


def where(name, operator, **more):
    return {"propertyName": name, "operator": operator, **more}


@pytest.mark.parametrize(
    ("test", "names"),
    [
        (where("name", "EQ", value="bolt m8"), ["Bolt M8"]),
        (where("name", "NEQ", value="Nut"), ["Bolt M8", "Bolt M10", "Washer"]),
        (where("price", "GT", value="9"), ["Bolt M10"]),
        (where("price", "GTE", value="9"), ["Bolt M10", "Nut"]),
        (where("price", "LT", value="9"), ["Bolt M8"]),
        (where("price", "LTE", value="9"), ["Bolt M8", "Nut"]),
        (where("price", "BETWEEN", value="1", highValue="9.5"), ["Nut"]),
        (where("hs_sku", "IN", values=["b-8", "n-8"]), ["Bolt M8", "Nut"]),
        (where("hs_sku", "IN", values=["B-8"]), []),
        (where("hs_sku", "NOT_IN", values=["b-8"]), ["Bolt M10", "Nut", "Washer"]),
        (where("price", "HAS_PROPERTY"), ["Bolt M8", "Bolt M10", "Nut"]),
        (where("price", "NOT_HAS_PROPERTY"), ["Washer"]),
        (where("name", "CONTAINS_TOKEN", value="bolt"), ["Bolt M8", "Bolt M10"]),
        (where("name", "CONTAINS_TOKEN", value="wash*"), ["Washer"]),
        (where("name", "NOT_CONTAINS_TOKEN", value="bolt"), ["Nut", "Washer"]),
    ],
    ids=lambda value: value["operator"] if isinstance(value, dict) else None,
)
def test_an_operator(client, parts, test, names):
    assert sorted(found(client, test)) == sorted(names)


def test_filters_in_a_group_are_and_and_groups_are_or(client, parts):
    groups = [
        {"filters": [where("name", "CONTAINS_TOKEN", value="bolt"), where("price", "LT", value="1")]},
        {"filters": [where("name", "EQ", value="Nut")]},
    ]
    answer = client.crm.products.search_api.do_search(PublicObjectSearchRequest(filter_groups=groups))
    assert sorted(each.properties["name"] for each in answer.results) == ["Bolt M8", "Nut"]


def test_sorting_by_a_number_is_by_size_and_pages_join_without_gaps(client, parts):
    sorts = [{"propertyName": "price", "direction": "DESCENDING"}]
    first, second = (found(client, sorts=sorts, limit=2, after=after) for after in ("0", "2"))
    assert first + second == ["Bolt M10", "Nut", "Bolt M8", "Washer"]


def test_a_free_text_query_looks_into_the_searchable_properties(client, parts):
    assert found(client, query="b-10") == ["Bolt M10"]


def test_records_changed_since_an_instant_are_found_oldest_first(client, simulator, parts):
    stamp = simulator.account.person().see_all("products")[2]["properties"]["hs_lastmodifieddate"]
    names = found(client, where("hs_lastmodifieddate", "GTE", value=stamp), sorts=["hs_lastmodifieddate"])
    assert names[-1] == "Washer"
    assert "Nut" in names


def test_a_record_is_found_by_what_it_is_linked_to(client, simulator):
    person = simulator.account.person()
    company = person.create("companies", {"name": "A"})
    contact = person.create("contacts", {"email": "a@example.com"}, [("companies", company["id"])])
    person.create("contacts", {"email": "b@example.com"})
    groups = [{"filters": [where("associations.company", "EQ", value=company["id"])]}]
    answer = client.crm.contacts.search_api.do_search(PublicObjectSearchRequest(filter_groups=groups))
    assert [each.id for each in answer.results] == [contact["id"]]


def test_new_and_changed_records_show_up_only_when_the_index_has_caught_up(client, simulator):
    person = simulator.account.person()
    old = person.create("products", {"name": "Old"})
    simulator.account.settings.index_lag_s = 3600
    person.create("products", {"name": "New"})
    person.edit("products", old["id"], {"name": "Older"})
    assert found(client) == ["Old"]
    simulator.account.refresh_index()
    assert sorted(found(client)) == ["New", "Older"]


def test_an_archived_record_is_never_found(client, simulator):
    person = simulator.account.person()
    made = person.create("products", {"name": "A"})
    simulator.account.settings.index_lag_s = 3600
    person.delete("products", made["id"])
    assert found(client) == []


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 200, "after": "9900"},
        {"filterGroups": [{"filters": [where("nonsense", "EQ", value="1")]}]},
        {"filterGroups": [{"filters": [where("name", "LIKE", value="1")]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [where("name", "HAS_PROPERTY")] * 7}]},
        {"filterGroups": [{"filters": [where("name", "HAS_PROPERTY")] * 5}] * 4},
        {"sorts": ["name", "domain"]},
        {"query": "x" * 3000},
    ],
)
def test_a_search_past_a_limit_is_refused(web, body):
    answer = web("POST", "/crm/v3/objects/companies/search", body)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_searching_has_its_own_limit_and_no_rate_headers(client, simulator, web):
    taken = web("POST", "/crm/v3/objects/companies/search", {})
    simulator.account.settings.search_per_s = 0
    refused = web("POST", "/crm/v3/objects/companies/search", {})
    assert [each.status_code for each in (taken, refused)] == [200, 429]
    assert refused.json()["message"] == "You have reached your secondly limit."
    assert not [name for each in (taken, refused) for name in each.headers if "RateLimit" in name]
    with pytest.raises(ApiException) as caught:
        client.crm.companies.search_api.do_search(PublicObjectSearchRequest())
    assert json.loads(caught.value.body)["errorType"] == "RATE_LIMIT"
    assert web("GET", "/crm/v3/objects/companies").status_code == 200
