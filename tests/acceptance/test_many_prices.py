"""A catalogue of 1,001 parts, three tiers and two currencies: every one of the 6,006 prices arrives, and nothing
beside them is touched (complaint 12). This one has the numbers, ``test_prices_end_to_end`` the real ERP's formulas."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from sync_workers.flows.polling import poll
from sync_workers.flows.reconcile import reconcile
from tests.integration.engine.laws import assert_all_laws_hold
from tests.world import World

ITEMS = 1_001
TIERS = {"standard": Decimal("1"), "silver": Decimal("0.93"), "gold": Decimal("0.875")}
RATES = {"USD": Decimal("1"), "EUR": Decimal("0.92")}
STRANGE = 40


def prices(number: int, gold: Decimal = TIERS["gold"]) -> dict[str, Decimal]:
    """Return the six prices of a part as the ERP computes them, by ``tier/currency``."""
    listed = Decimal(number * 7919 % 100_000 + 1) / 10_000
    tiers = {**TIERS, "gold": gold}
    return {f"{tier}/{code}": (listed * part * rate).quantize(Decimal("0.0001"))
            for tier, part in tiers.items() for code, rate in RATES.items()}  # fmt: skip


def rows(number: int, gold: Decimal = TIERS["gold"]) -> list[dict[str, str]]:
    return [{"id": key, "key": key, "price": str(price)} for key, price in prices(number, gold).items()]


@pytest.fixture
def shop(start_world: Callable[..., World]) -> World:
    """Return a full ERP and a CRM with products and lists of its own, some of them of parts that the ERP has."""
    world = start_world(sheets="prices", crm={"batch": 100}, erp={"batch": 100})
    for number in range(ITEMS):
        world.erp.put("part", {"code": f"P-{number:05d}", "prices": rows(number)})
    for number in range(STRANGE):
        sku = f"P-{number:05d}" if number % 2 else f"SRV-{number}"
        price = {"partner_usd": "11.1111"} | ({} if number % 2 else {"gold_usd": "5.0", "gold_eur": "004.60"})
        world.crm.put("part", {"sku": sku, "price": price, "cost": "3.30"})
    for name in ("Partners", "Gold", "Staff only"):
        world.crm.put("price_list", {"name": name, "lines": [{"sku": "P-00001", "price": "0.5"}]})
    return world


def out_of_scope(world: World) -> bytes:
    """Return all that the CRM has beside the six prices of the ERP's parts, byte for byte."""
    products = []
    for record in world.crm.store.all("part"):
        ours = str(record.fields["sku"]).startswith("P-")
        price = {name: value for name, value in record.fields["price"].items() if not ours or name == "partner_usd"}
        if not ours or price:
            products.append([record.id, {**record.fields, "price": price}, None if ours else record.version])
    lists = [[record.id, record.fields, record.version] for record in world.crm.store.all("price_list")]
    return json.dumps([sorted(products), lists], sort_keys=True).encode()


def bring(world: World) -> None:
    poll(world.runtime, "erp", "part")
    world.settle(seconds=80)


def assert_every_price_is_the_erps(world: World, gold: Decimal = TIERS["gold"]) -> None:
    shown = {record.fields["sku"]: record.fields["price"] for record in world.crm.store.all("part")}
    for number in range(ITEMS):
        mine = shown[f"P-{number:05d}"]
        found = {key: Decimal(str(mine[key.replace("/", "_").lower()])) for key in prices(number)}
        assert found == prices(number, gold), number
    assert len([sku for sku in shown if sku.startswith("P-")]) == ITEMS


def test_every_price_of_a_large_catalogue_arrives_and_nothing_beside_it_is_touched(shop: World) -> None:
    before = out_of_scope(shop)
    bring(shop)
    assert_every_price_is_the_erps(shop)
    assert out_of_scope(shop) == before
    shop.crm.log.clear()
    dearer = Decimal("0.88")
    for number in range(ITEMS):
        record = shop.erp.store.find("part", "code", f"P-{number:05d}")[0]
        shop.erp.edit("part", record.id, {"prices": rows(number, dearer)})
    bring(shop)
    assert_every_price_is_the_erps(shop, dearer)
    assert out_of_scope(shop) == before
    calls = [call for call in shop.crm.log if call.method != "GET"]
    assert len(calls) <= ITEMS / 10, "many at a time"
    shop.crm.log.clear()
    assert reconcile(shop.runtime, "crm", "part").changed == 0
    shop.settle(seconds=80)
    assert not [call for call in shop.crm.log if call.method != "GET"]
    assert_all_laws_hold(shop.runtime)
