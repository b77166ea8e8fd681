"""Every path, required field and answer of the simulator, against the models of HubSpot's own client.

The client is a test dependency; what it knows is read from its sources (``client_listing``). The same listings
were published as ``contracts/hubspot``: where SYNC_SHARED names the folder that holds it, the two are compared.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from sync_workers.sandbox.hubspot import routes
from tests.contract.hubspot_simulator.client_listing import PACKAGES, listing

FOLDER = Path(os.environ.get("SYNC_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "contracts" / "hubspot"

# What the product has no use for, and the simulator answers with 404.
NOT_SERVED = re.compile(
    r".*/audit|.*/definitions/configurations/.*|.*high-usage-report.*"
    r"|(PUT) /crm/v3/pipelines/.*|PUT .*/labels|(PATCH|DELETE) .*/groups/.*"
)
# Required by the client's models, though HubSpot itself does without them.
LENIENT = {"propertiesWithHistory", "properties of a batch read", "archived"}
# HubSpot sends more than its models name.
EXTRA = {"status", "X", "hubspotDefined"}


class Contract:
    """One listing: its operations as patterns, its models as checks."""

    def __init__(self, name: str) -> None:
        document = listing(name)
        self.name = name
        self.schemas: dict[str, Any] = document["schemas"]
        self.operations = document["operations"]
        for operation in self.operations:
            operation["key"] = f"{operation['method']} {operation['path']}"
            operation["pattern"] = re.compile(re.sub(r"\{\w+\}", "[^/]+", operation["path"]) + "/?")

    def match(self, method: str, path: str) -> dict[str, Any] | None:
        found = [o for o in self.operations if o["method"] == method and o["pattern"].fullmatch(path)]
        return min(found, key=lambda operation: operation["path"].count("{"), default=None)

    def complaints(self, kind: str, value: Any, where: str) -> list[str]:
        """Return what is wrong with a value of a type such as ``dict[str, list[Model]]``."""
        if kind == "object":
            return []
        if match := re.fullmatch(r"list\[(.*)\]", kind):
            if not isinstance(value, list):
                return [f"{where}: a list is due, not {value!r}"]
            return [
                c for n, each in enumerate(value) for c in self.complaints(match[1], each, f"{where}[{n}]")
            ]
        if match := re.fullmatch(r"dict\[str, (.*)\]", kind):
            if not isinstance(value, dict):
                return [f"{where}: an object is due, not {value!r}"]
            pairs = [(key, each) for key, each in value.items() if each is not None]
            return [c for key, each in pairs for c in self.complaints(match[1], each, f"{where}.{key}")]
        if kind in self.schemas:
            return self._model(kind, value, where)
        return [] if is_plain(kind, value) else [f"{where}: {kind} is due, not {value!r}"]

    def _model(self, name: str, value: Any, where: str) -> list[str]:
        fields = self.schemas[name]
        if not isinstance(value, dict):
            return [f"{where}: {name} is due, not {value!r}"]
        wrong = [
            f"{where}: {name}.{key} is missing"
            for key, f in fields.items()
            if f["required"] and key not in value
        ]
        wrong += [
            f"{where}: {name} has no field {key}" for key in value if key not in fields and key not in EXTRA
        ]
        for key, each in value.items():
            if key in fields and not (each is None and not fields[key]["required"]):
                wrong += self.complaints(fields[key]["type"], each, f"{where}.{key}")
                options = fields[key].get("enum")
                if options and each not in options:
                    wrong.append(f"{where}.{key}: {each!r} is not one of {options}")
        return wrong


def is_plain(kind: str, value: Any) -> bool:
    if kind == "datetime":
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool, "float": float}[kind])


@pytest.fixture(scope="module")
def contracts() -> list[Contract]:
    return [Contract(name) for name in PACKAGES]


class Caller:
    """Makes calls, checks each answer with every listing that knows the path, and remembers them."""

    def __init__(self, web: Any, contracts: list[Contract]) -> None:
        self.web = web
        self.contracts = contracts
        self.seen: set[tuple[str, str]] = set()
        self.bodies: dict[tuple[str, str], tuple[str, Any]] = {}

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer: requests.Response = self.web(method, path, body, **more)
        clean = path.partition("?")[0]
        for contract in self.contracts:
            operation = contract.match(method, clean)
            if operation is None:
                continue
            self.seen.add((contract.name, operation["key"]))
            if (
                operation.get("body") in contract.schemas
                and (contract.name, operation["key"]) not in self.bodies
            ):
                self.bodies[contract.name, operation["key"]] = (path, body)
            if answer.status_code >= 400:
                model = "Error"
            else:
                responses = operation["responses"]
                assert str(answer.status_code) in responses or (
                    answer.status_code == 204 and not responses
                ), f"{method} {path}: {answer.status_code}, documented {responses or 204}: {answer.text}"
                if answer.status_code == 204:
                    continue
                model = responses[str(answer.status_code)]
            wrong = contract.complaints(model, answer.json(), f"{contract.name} {method} {path}")
            assert not wrong, wrong
        return answer.json() if answer.content else None


@pytest.fixture
def call(web, contracts) -> Caller:
    return Caller(web, contracts)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no published listings at {FOLDER}; set SYNC_SHARED")
@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_read_from_the_client_is_what_was_published(name: str) -> None:
    published = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))

    def operations(document: dict[str, Any]) -> dict[str, tuple[str, Any]]:
        return {f"{each['method']} {each['path']}": (re.sub(r"\[.*", "", each.get("body") or ""), each["responses"])
                for each in document["operations"]}

    def fields(document: dict[str, Any]) -> dict[str, Any]:
        return {model: {name: {**rule, "enum": sorted(rule.get("enum", ()))} for name, rule in known.items()}
                for model, known in document["schemas"].items()}

    assert operations(listing(name)) == operations(published)
    assert fields(published).items() <= fields(listing(name)).items()


def test_every_documented_path_is_served_or_listed_as_left_out(contracts):
    for contract in contracts:
        for operation in contract.operations:
            path = re.sub(r"\{\w+\}", "1", operation["path"])
            served = routes.find(operation["method"], path) is not None
            assert served != bool(NOT_SERVED.fullmatch(operation["key"])), operation["key"]


def visit_objects(call: Caller, kind: str, first: dict[str, str], change: dict[str, str]) -> None:
    root = f"/crm/v3/objects/{kind}"
    made = call("POST", root, {"properties": first, "associations": []})
    other = call("POST", root, {"properties": {**first, **change}, "associations": []})
    name = next(iter(change))
    query = f"properties={name},hs_object_id&propertiesWithHistory={name}&associations=companies"
    call("GET", f"{root}/{other['id']}?{query}")
    call("GET", f"{root}/404")
    call("GET", f"{root}?limit=1&{query}")
    call("GET", f"{root}?limit=1000")
    call("PATCH", f"{root}/{made['id']}", {"properties": change if name != "email" else {"city": "Gent"}})
    call("PATCH", f"{root}/{made['id']}", {"properties": {"nonsense": "1"}})
    both = [{"id": each["id"]} for each in (made, other)]
    read = {"properties": [name], "propertiesWithHistory": [name], "inputs": both}
    call("POST", f"{root}/batch/read", read)
    call("POST", f"{root}/batch/read", {**read, "inputs": [*both, {"id": "404"}]})
    rows = [
        {"id": each["id"], "properties": {"description": "x"}, "objectWriteTraceId": "t"} for each in both
    ]
    rows = [{**row, "properties": {}} for row in rows] if kind == "contacts" else rows
    call("POST", f"{root}/batch/update", {"inputs": rows})
    call("POST", f"{root}/batch/update", {"inputs": [*rows, {"id": "404", "properties": {}}]})
    call("POST", f"{root}/batch/upsert", {"inputs": rows})
    call("POST", f"{root}/batch/upsert", {"inputs": [*rows, {"id": "404", "properties": {}}]})
    new = {"properties": {}, "associations": []}
    call("POST", f"{root}/batch/create", {"inputs": [new]})
    bad = {"properties": {"nonsense": "1"}, "associations": [], "objectWriteTraceId": "2"}
    call("POST", f"{root}/batch/create", {"inputs": [{**new, "objectWriteTraceId": "1"}, bad]})
    asked = {"propertyName": "hs_object_id", "operator": "HAS_PROPERTY"}
    call("POST", f"{root}/search", {"filterGroups": [{"filters": [asked]}], "limit": 1, "properties": [name]})
    if kind in ("companies", "contacts", "deals"):
        call("POST", f"{root}/merge", {"primaryObjectId": made["id"], "objectIdToMerge": other["id"]})
    call("DELETE", f"{root}/{made['id']}")
    call("GET", f"{root}/{made['id']}?archived=true")
    call("POST", f"{root}/batch/archive", {"inputs": both})
    if kind == "contacts":
        gone = call("POST", root, {"properties": {"email": "gone@example.com"}, "associations": []})
        call("POST", f"{root}/gdpr-delete", {"objectId": gone["id"]})


def visit_associations(call: Caller) -> None:
    deal, company = (
        call("POST", f"/crm/v3/objects/{kind}", {"properties": {}, "associations": []})["id"]
        for kind in ("deals", "companies")
    )
    link = f"/crm/v4/objects/deals/{deal}/associations"
    primary = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]
    call("PUT", f"{link}/companies/{company}", primary)
    call(
        "PUT",
        f"{link}/companies/{company}",
        [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 99}],
    )
    call("PUT", f"{link}/default/companies/{company}")
    call("GET", f"{link}/companies?limit=1")
    call("GET", f"/crm/v3/objects/deals/{deal}?associations=companies")
    root = "/crm/v4/associations/deals/companies"
    pair = {"from": {"id": deal}, "to": {"id": company}}
    call("POST", f"{root}/batch/read", {"inputs": [{"id": deal}]})
    call("POST", f"{root}/batch/read", {"inputs": [{"id": deal}, {"id": "404"}]})
    call("POST", f"{root}/batch/create", {"inputs": [{**pair, "types": primary}]})
    call("POST", f"{root}/batch/create", {"inputs": [{**pair, "types": primary}, {**pair, "types": []}, {
        "from": {"id": "404"}, "to": {"id": company}, "types": primary}]})  # fmt: skip
    call("POST", f"{root}/batch/associate/default", {"inputs": [pair]})
    call("POST", f"{root}/batch/labels/archive", {"inputs": [{**pair, "types": primary}]})
    call("POST", f"{root}/batch/archive", {"inputs": [{"from": {"id": deal}, "to": [{"id": company}]}]})
    call("DELETE", f"{link}/companies/{company}")
    made = call("POST", f"{root}/labels", {"label": "Payer", "name": "payer", "inverseLabel": "Pays for"})
    call("GET", f"{root}/labels")
    call("DELETE", f"{root}/labels/{made['results'][0]['typeId']}")


def visit_properties(call: Caller) -> None:
    root = "/crm/v3/properties/companies"
    made = {
        "name": "erp_id",
        "label": "ERP",
        "type": "string",
        "fieldType": "text",
        "groupName": "information",
    }
    call("GET", root)
    call("POST", root, made)
    call("POST", root, made)
    call("GET", f"{root}/erp_id")
    call("GET", f"{root}/nonsense")
    call("PATCH", f"{root}/erp_id", {"label": "Number"})
    call("POST", f"{root}/batch/create", {"inputs": [{**made, "name": "erp_number"}]})
    call("POST", f"{root}/batch/create", {"inputs": [made]})
    call("POST", f"{root}/batch/read", {"archived": False, "inputs": [{"name": "erp_id"}]})
    call("POST", f"{root}/batch/read", {"archived": False, "inputs": [{"name": "nonsense"}]})
    call("POST", f"{root}/batch/archive", {"inputs": [{"name": "erp_number"}]})
    call("DELETE", f"{root}/erp_id")
    call("POST", f"{root}/groups", {"name": "erp", "label": "ERP"})
    call("GET", f"{root}/groups")
    call("GET", f"{root}/groups/erp")


def visit_pipelines(call: Caller) -> None:
    root = "/crm/v3/pipelines/deals"
    stage = {"label": "Won", "displayOrder": 0, "metadata": {"probability": "1.0"}}
    made = call("POST", root, {"label": "Parts", "displayOrder": 1, "stages": [stage]})
    one = f"{root}/{made['id']}"
    added = call("POST", f"{one}/stages", {**stage, "label": "Lost", "metadata": {"probability": "0.0"}})
    call("GET", root)
    call("GET", one)
    call("GET", f"{root}/404")
    call("PATCH", one, {"label": "Spares"})
    call("GET", f"{one}/stages")
    call("GET", f"{one}/stages/{added['id']}")
    call("PATCH", f"{one}/stages/{added['id']}", {"label": "Gone"})
    call("DELETE", f"{one}/stages/{added['id']}")
    call("DELETE", one)


def visit_webhooks(call: Caller) -> None:
    root = "/webhooks/v3/54321"
    call(
        "PUT",
        f"{root}/settings",
        {"targetUrl": "http://localhost/", "throttling": {"maxConcurrentRequests": 10}},
    )
    call("GET", f"{root}/settings")
    made = call(
        "POST", f"{root}/subscriptions", {"eventType": "deal.propertyChange", "propertyName": "amount"}
    )
    one = f"{root}/subscriptions/{made['id']}"
    call("GET", f"{root}/subscriptions")
    call("GET", one)
    call("PATCH", one, {"active": False})
    call("POST", f"{root}/subscriptions/batch/update", {"inputs": [{"id": int(made["id"]), "active": False}]})
    call("DELETE", one)
    call("GET", one)
    call("DELETE", f"{root}/settings")


def visit_tokens(call: Caller, simulator: Any) -> None:
    settings = simulator.account.settings
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
    }
    made = call("POST", "/oauth/v1/token", data={**form, "refresh_token": settings.refresh_token})
    call("POST", "/oauth/v1/token", data=form)
    call("GET", f"/oauth/v1/access-tokens/{made['access_token']}")
    call("GET", f"/oauth/v1/refresh-tokens/{settings.refresh_token}")
    call("DELETE", f"/oauth/v1/refresh-tokens/{settings.refresh_token}")


def visit_everything(call: Caller, simulator: Any) -> None:
    visit_objects(call, "companies", {"name": "A"}, {"name": "B"})
    visit_objects(call, "contacts", {"email": "a@example.com"}, {"email": "b@example.com"})
    visit_objects(call, "deals", {"dealname": "A"}, {"dealname": "B"})
    visit_objects(call, "products", {"name": "A"}, {"name": "B"})
    visit_objects(call, "line_items", {"name": "A", "price": "1"}, {"name": "B"})
    visit_associations(call)
    visit_properties(call)
    visit_pipelines(call)
    visit_webhooks(call)
    visit_tokens(call, simulator)


def test_every_served_operation_answers_in_the_documented_shape(call, contracts, simulator):
    visit_everything(call, simulator)
    served = {
        (contract.name, operation["key"])
        for contract in contracts
        for operation in contract.operations
        if not NOT_SERVED.fullmatch(operation["key"])
    }
    assert served - call.seen == set()


def test_a_body_without_a_required_field_is_refused_and_names_it(call, contracts, simulator):
    visit_everything(call, simulator)
    by_name = {contract.name: contract for contract in contracts}
    checked = 0
    for (name, key), (path, body) in call.bodies.items():
        operation = next(o for o in by_name[name].operations if o["key"] == key)
        for field, rule in by_name[name].schemas[operation["body"]].items():
            reading = "batch/read" in path and field == "properties"
            if not rule["required"] or field in LENIENT or reading:
                continue
            lacking = {k: v for k, v in body.items() if k != field}
            # The record or app of the path may be gone by now, so only what needs none is sent again.
            if operation["method"] != "POST":
                continue
            if "/stages" in path or "/merge" in path or "/gdpr" in path:
                continue
            answer = call.web("POST", path, lacking)
            assert answer.status_code == 400, (key, field, answer.text)
            assert field in answer.json()["message"], (key, field, answer.text)
            checked += 1
    assert checked > 40
