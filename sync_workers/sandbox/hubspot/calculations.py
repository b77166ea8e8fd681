"""What HubSpot works out by itself: defaults at birth, computed values, stage rules.

Pure apart from looking up pipelines and the product that a line item is made from.
Source: developers.hubspot.com, guides "Deals", "Line items", "Invoices" and "Orders"; that a percentage is
taken off the line's total, from public descriptions of the properties' formulas.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.values import Fault
from sync_workers.sandbox.hubspot.wire import Json

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

DIGITS = {"JPY": 0, "KWD": 3}  # ISO 4217, of the account's currencies that have not two
FROM_PRODUCT = ("name", "description", "price", "hs_sku", "hs_cost_of_goods_sold")


def defaults(account: Account, kind: ObjectType, given: Json) -> Json:
    """Complete what a create was given: the first pipeline, and a line item's product."""
    full = dict(given)
    if kind.pipeline and kind.stage and account.pipelines.of(kind.type_id):
        first = account.pipelines.of(kind.type_id)[0]
        if not full.get(kind.pipeline):
            full[kind.pipeline] = first.id
        if kind.name == "orders" and not full.get(kind.stage):
            full[kind.stage] = first.stages[0].id
    if kind.name == "invoices":
        full.setdefault("hs_invoice_status", "draft")
    if kind.name == "line_items":
        full.setdefault("quantity", "1")
        product = account.records.by_type.get("0-7", {}).get(str(full.get("hs_product_id") or ""))
        if product is not None and product.is_live:
            full = {**{n: product.values[n] for n in FROM_PRODUCT if n in product.values}, **full}
    return full


def check_stage(
    account: Account, kind: ObjectType, whole: dict[str, str], written: dict[str, str]
) -> list[Fault]:
    """Return what is wrong with the written pipeline and stage, seen together with the kept ones."""
    if not kind.pipeline or not kind.stage or not {kind.pipeline, kind.stage} & set(written):
        return []
    pipelines = account.pipelines.of(kind.type_id)
    pipeline = next((each for each in pipelines if each.id == whole.get(kind.pipeline)), None)
    if pipeline is None:
        allowed = [each.id for each in pipelines]
        text = f"{whole.get(kind.pipeline)} was not one of the allowed options: {allowed}"
        return [Fault(kind.pipeline, "INVALID_OPTION", text)]
    stage = whole.get(kind.stage)
    if stage and stage not in [each.id for each in pipeline.stages]:
        text = f"{stage} is not a stage of pipeline {pipeline.id}: {[each.id for each in pipeline.stages]}"
        return [Fault(kind.stage, "INVALID_OPTION", text)]
    return []


def derive(account: Account, kind: ObjectType, values: dict[str, str]) -> dict[str, str]:
    """Return the computed properties of a record with these values."""
    if kind.name == "deals":
        stage = account.pipelines.find_stage(
            kind.type_id, values.get("pipeline", ""), values.get("dealstage", "")
        )
        if stage is None:
            return {"hs_is_closed": "false", "hs_is_closed_won": "false"}
        return {
            "hs_is_closed": str(stage.is_closed).lower(),
            "hs_is_closed_won": str(stage.is_won).lower(),
            "hs_deal_stage_probability": stage.metadata.get("probability", "0"),
        }
    if kind.name == "line_items":
        return _line_amounts(values)
    return {}


def _line_amounts(values: dict[str, str]) -> dict[str, str]:
    """Return what a line costs before its discount, what is taken off, and what is left.

    A percentage is taken off the whole line, not off its price; a line that names a currency is rounded to
    that currency's digits. Blank while there is no price.
    """
    if not values.get("price") or not values.get("quantity"):
        return dict.fromkeys(("hs_pre_discount_amount", "hs_total_discount", "amount"), "")
    quantity, price = Decimal(values["quantity"]), Decimal(values["price"])
    currency = values.get("hs_line_item_currency_code", "")
    before = _rounded(quantity * price, currency)
    off = Decimal(values.get("discount") or 0) * quantity
    if values.get("hs_discount_percentage"):
        off = before * Decimal(values["hs_discount_percentage"]) / 100
    off = _rounded(off, currency)
    return {
        "hs_pre_discount_amount": _plain(before),
        "hs_total_discount": _plain(off),
        "amount": _plain(before - off),
    }


def _rounded(amount: Decimal, currency: str) -> Decimal:
    if not currency:
        return amount
    return amount.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), rounding=ROUND_HALF_UP)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
