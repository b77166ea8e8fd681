"""What the people of a story see on their own screens: reps of a deal in the CRM, clerks of its order in the ERP.

Deals are called by the names that the story gave them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sync_workers.commands.demo.crm import Json
from sync_workers.commands.demo.day import Day, reference_of
from sync_workers.ledger import cash
from sync_workers.sandbox.tryton.rpc import Row

ORDER_FIELDS = (
    "number", "state", "shipment_state", "invoice_state", "untaxed_amount", "total_amount", "lines", "shipments",
    "invoices", "party", "party.name", "invoice_address.street", "shipment_address.street", "currency.code",
)  # fmt: skip


def money(value: object) -> Decimal:
    """Return a property as a number; nothing is zero."""
    return Decimal(str(value or 0))


def deal(day: Day, name: str) -> Json:
    return dict(day.crm.whole("deals", day.deal(name))["properties"])


def items(day: Day, name: str) -> list[Json]:
    """Return the line items of a deal, each with its ``id``."""
    return day.crm.linked("deals", day.deal(name), "line_items")


def item(day: Day, name: str, part: str) -> Json:
    (found,) = [each for each in items(day, name) if each["hs_sku"] == part]
    return found


def progress(day: Day, name: str, part: str) -> tuple[Decimal, Decimal]:
    """Return what a line shows as shipped and as still to come."""
    line = item(day, name, part)
    return money(line.get("erp_shipped")), money(line.get("erp_backordered"))


def parcels(day: Day, name: str) -> list[Json]:
    return day.crm.linked("deals", day.deal(name), "shipments")


def invoices(day: Day, name: str) -> list[Json]:
    return day.crm.linked("deals", day.deal(name), "invoices")


def credit_notes(day: Day, name: str) -> list[Json]:
    return day.crm.linked("deals", day.deal(name), "credit_notes")


def notes(day: Day, name: str) -> str:
    """Return what all notes on a deal say."""
    bodies = [str(each.get("hs_note_body")) for each in day.crm.linked("deals", day.deal(name), "notes")]
    return "\n".join(bodies).replace("<br>", "\n")


def product(day: Day, code: str) -> Json:
    (found,) = [each for each in day.crm.records("products") if each["properties"].get("hs_sku") == code]
    return {**found["properties"], "id": str(found["id"])}


def orders(day: Day, name: str) -> list[Row]:
    """Return every order that stands for a deal."""
    ids = day.clerk.find("sale.sale", [["reference", "=", reference_of(day.deal(name))]])
    return day.clerk.read("sale.sale", ids, *ORDER_FIELDS) if ids else []


def order(day: Day, name: str) -> Row:
    (found,) = orders(day, name)
    return found


def order_lines(day: Day, name: str) -> list[Row]:
    names = ("product.code", "quantity", "unit.symbol", "unit_price", "amount")
    return day.clerk.read("sale.line", order(day, name)["lines"], *names)


def documents(day: Day, name: str) -> list[Row]:
    """Return the invoices and credit notes of a deal's order."""
    names = ("number", "state", "total_amount", "amount_to_pay")
    ids = order(day, name)["invoices"]
    return day.clerk.read("account.invoice", ids, *names) if ids else []


def await_state(day: Day, name: str, state: str) -> None:
    """Wait until the rep sees that the order is in this state."""
    day.wait_for(lambda: deal(day, name).get("erp_order_state") == state, f"{name}: {state} on the deal")


def await_count(day: Day, name: str, seen: Callable[[Day, str], list[Any]], count: int) -> None:
    """Wait until the rep sees so many parcels, invoices or credit notes."""
    day.wait_for(lambda: len(seen(day, name)) >= count, f"{name}: {count} {seen.__name__} on the deal")


def lag(day: Day) -> tuple[str, int]:
    """Return what ``status`` says of the time from shipment to invoice, and how many invoices it has measured."""
    with day.stage.ledger.transaction() as tx:
        found = cash.invoice_lag(tx)
    if not found["count"]:
        return "none measured", 0
    said = f"{found['median_s']:.1f} s in the middle, {found['worst_s']:.1f} s at worst, {found['count']} invoices"
    return said, int(found["count"])


def is_dead(day: Day, deal_id: str) -> bool:
    return bool(letter(day, deal_id))


def letter(day: Day, deal_id: str) -> str:
    """Return what the open dead letter of a deal says, blank when there is none."""
    with day.stage.ledger.transaction() as tx:
        rows = tx.rows(
            "SELECT l.message FROM dead_letters l JOIN records r ON r.id = l.record_id WHERE r.kind = 'order'"
            " AND r.origin_id = %s AND l.state = 'open'", (deal_id,),
        )  # fmt: skip
    return "\n".join(str(row[0]) for row in rows)


def held(day: Day, kind: str) -> dict[str, str]:
    """Return why each record of a kind is on hold, by its id where it was born."""
    with day.stage.ledger.transaction() as tx:
        sql = "SELECT origin_id, hold_reason FROM records WHERE state = 'held' AND kind = %s"
        return {str(row[0]): str(row[1]) for row in tx.rows(sql, (kind,))}
