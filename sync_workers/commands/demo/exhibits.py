"""What a story shows of both systems before and after: the same thing as the rep sees it and as the ERP has it.

Read from the systems themselves, the CRM at its screen and the ERP as its clerk; never from the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sync_workers.commands.demo import prices

if TYPE_CHECKING:
    from sync_workers.commands.demo.crm import Crm
    from sync_workers.sandbox.tryton.rpc import Rpc

Lines = list[str]
ORDER, CUSTOMER, PART, PRICES = "order", "customer", "part", "prices"
NOTHING = "(nothing yet)"


@dataclass(frozen=True)
class Exhibit:
    """One thing to show: a deal by its id, a customer, a part or its prices by its number."""

    kind: str
    key: str
    title: str


@dataclass
class Picture:
    """How one exhibit looks in both systems at one moment."""

    exhibit: Exhibit
    crm: Lines = field(default_factory=list)
    erp: Lines = field(default_factory=list)


def take(exhibits: Sequence[Exhibit], crm: Crm, clerk: Rpc) -> list[Picture]:
    """Look at every exhibit in both systems now."""
    looks: Mapping[str, tuple[Callable[[Crm, str], Iterator[str]], Callable[[Rpc, str], Iterator[str]]]] = {
        ORDER: (_deal, _sale),
        CUSTOMER: (_company, _party),
        PART: (_product, _stocked_part),
        PRICES: (prices.of_product, prices.of_part),
    }
    pictures = []
    for exhibit in exhibits:
        at_crm, at_erp = looks[exhibit.kind]
        pictures.append(
            Picture(exhibit, list(at_crm(crm, exhibit.key)) or [NOTHING], list(at_erp(clerk, exhibit.key)) or [NOTHING])
        )
    return pictures


def show(console: Console, title: str, pictures: Sequence[Picture]) -> None:
    """Print the exhibits side by side, the CRM left and the ERP right."""
    page = Table(title=title, title_justify="left", title_style="bold", box=box.ROUNDED, show_lines=True, expand=True)
    page.add_column("", ratio=2, overflow="fold")
    for name in ("CRM", "ERP"):
        page.add_column(name, ratio=5, overflow="fold")
    for each in pictures:
        page.add_row(Text(each.exhibit.title), Text("\n".join(each.crm)), Text("\n".join(each.erp)))
    console.print(page)


def _shown(name: str, value: Any) -> Iterator[str]:
    if value not in (None, "", [], False):
        yield f"{name}: {f'{value.normalize():f}' if isinstance(value, Decimal) else value}"


def _properties(record: Mapping[str, Any], *names: str) -> Iterator[str]:
    for name in names:
        label = name.removeprefix("erp_").removeprefix("hs_").replace("_", " ")
        text = record["properties"].get(name)
        yield from _shown(label, text if text is None else str(text).replace("\n", "\n    "))


def _deal(crm: Crm, deal_id: str) -> Iterator[str]:
    deal = crm.whole("deals", deal_id)
    yield from _properties(
        deal,
        "dealstage",
        "amount",
        "po_number",
        "erp_order_number",
        "erp_order_state",
        "erp_shipment_state",
        "erp_invoice_state",
        "erp_total",
        "erp_hold_reason",
        "erp_hold_balance",
        "erp_hold_limit",
        "erp_hold_since",
    )
    for place in crm.associated("deals", deal_id, "addresses"):
        yield from (f"  {label.lower()}: {place['properties'].get('street')}" for label in place["labels"])
    for line in _linked(crm, deal, "line_items"):
        at = line["properties"]
        progress = [
            f"{word} {at[f'erp_{word}']}" for word in ("shipped", "backordered", "expected") if at.get(f"erp_{word}")
        ]
        yield f"  {at.get('quantity')} {at.get('unit') or ''} {at.get('hs_sku')} at {at.get('price')}" + (
            f" ({', '.join(progress)})" if progress else ""
        )
    for kind, names in (
        ("shipments", ("shipment_number", "shipment_state", "shipped_on", "carrier", "tracking_number")),
        ("invoices", ("invoice_number", "invoice_state", "invoice_date", "total", "balance")),
        ("credit_notes", ("credit_note_number", "credit_note_state", "total")),
    ):
        for each in _linked(crm, deal, kind):
            yield f"  {kind[:-1].replace('_', ' ')} " + ", ".join(
                str(each["properties"][name]) for name in names if each["properties"].get(name)
            )
    for note in _linked(crm, deal, "notes"):
        yield "  note: " + str(note["properties"].get("hs_note_body")).replace("<br>", "\n    ")


def _linked(crm: Crm, record: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [crm.whole(kind, each) for each in record["links"].get(kind, ())]


def _sale(clerk: Rpc, deal_id: str) -> Iterator[str]:
    for number in clerk.find("sale.sale", [["reference", "=", f"crm-order-{deal_id}"]]):
        (sale,) = clerk.read(
            "sale.sale",
            [number],
            "number",
            "state",
            "shipment_state",
            "invoice_state",
            "untaxed_amount",
            "tax_amount",
            "total_amount",
            "lines",
            "shipments",
            "invoices",
            "description",
            "shipment_address.street",
            "invoice_address.street",
        )
        for name in (
            "number",
            "state",
            "shipment_state",
            "invoice_state",
            "description",
            "untaxed_amount",
            "tax_amount",
            "total_amount",
        ):
            yield from _shown(name.replace("_", " "), sale[name])
        for name, label in (("shipment_address.", "ship to"), ("invoice_address.", "bill to")):
            yield f"  {label}: {(sale.get(name) or {}).get('street')}"
        for line in clerk.read(
            "sale.line", sale["lines"], "quantity", "unit.symbol", "product.code", "unit_price", "amount"
        ):
            unit, part = (line.get(f"{each}.") or {} for each in ("unit", "product"))
            yield f"  {line['quantity']:g} {unit.get('symbol', '')} {part.get('code', '')} at {line['unit_price']}"
        for each in clerk.read("stock.shipment.out", sale["shipments"], "number", "state", "effective_date"):
            yield f"  shipment {each['number']}, {each['state']}, {each['effective_date'] or 'not left yet'}"
        for each in clerk.read("account.invoice", sale["invoices"], "number", "state", "total_amount", "amount_to_pay"):
            yield (
                f"  invoice {each['number'] or '(draft)'}, {each['state']}, {each['total_amount']},"
                f" open {each['amount_to_pay']}"
            )


def _company(crm: Crm, number: str) -> Iterator[str]:
    for each in crm.records("companies"):
        if number not in (each["properties"].get("customer_number"), str(each["id"])):
            continue
        company = crm.whole("companies", str(each["id"]))
        yield from _properties(
            company,
            "name",
            "customer_number",
            "phone",
            "order_email",
            "address",
            "city",
            "credit_limit",
            "open_balance",
            "payment_term",
            "price_tier",
            "tax_code",
            "account_hold",
        )
        for address in _linked(crm, company, "addresses"):
            at = address["properties"]
            yield "  address " + ", ".join(
                str(at[name]) for name in ("name", "street", "postal_code", "city") if at.get(name)
            )
        for contact in _linked(crm, company, "contacts"):
            at = contact["properties"]
            yield "  contact " + " ".join(str(at[name]) for name in ("firstname", "lastname", "email") if at.get(name))


def _party(clerk: Rpc, number: str) -> Iterator[str]:
    found = clerk.find("party.party", ["OR", [["code", "=", number]], [["code", "=", f"crm-customer-{number}"]]])
    for party in clerk.read(
        "party.party",
        found,
        "name",
        "code",
        "phone",
        "email",
        "credit_limit_amount",
        "credit_amount",
        "customer_payment_term.rec_name",
        "sale_price_list.rec_name",
        "addresses",
        "contact_mechanisms",
    ):
        for name in ("name", "code", "phone", "email", "credit_limit_amount", "credit_amount"):
            yield from _shown(name.replace("_amount", "").replace("_", " "), party[name])
        for address in clerk.read("party.address", party["addresses"], "attn", "street", "postal_code", "city"):
            yield "  address " + ", ".join(str(part) for name, part in address.items() if part and name != "id")
        for each in clerk.read("party.contact_mechanism", party["contact_mechanisms"], "type", "name", "value"):
            yield f"  {each['type']} {each['name'] or ''} {each['value']}"


def _product(crm: Crm, code: str) -> Iterator[str]:
    for each in crm.records("products"):
        if each["properties"].get("hs_sku") == code:
            named = [name for name in sorted(each["properties"]) if name.startswith("stock_")]
            yield from _properties(each, "name", "price", "sale_unit", "erp_active", "replaced_by", *named)


def _stocked_part(clerk: Rpc, code: str) -> Iterator[str]:
    found = clerk.find("product.product", [["code", "=", code], ["active", "in", [True, False]]])
    for part in clerk.read("product.product", found, "name", "code", "active", "list_price_used", "sale_uom.symbol"):
        yield from _shown("name", part["name"])
        yield from _shown("list price", part["list_price_used"])
        yield from _shown("sold in", (part.get("sale_uom.") or {}).get("symbol"))
        yield f"active: {part['active']}"
    for place in clerk.read(
        "stock.location", clerk.find("stock.location", [["type", "=", "warehouse"]]), "name", "storage_location"
    ):
        context = {"locations": [place["storage_location"]], "with_childs": True}
        for part in clerk.read("product.product", found, "quantity", "forecast_quantity", **context):
            yield f"{place['name']}: {part['quantity']:g} on hand, {part['forecast_quantity']:g} forecast"
