"""Makes an empty Tryton database into the ERP of a parts distributor, over JSON-RPC.

Company in USD, the universal chart of accounts, fiscal years with their sequences, a sales tax,
boxes, price lists, parts with stock, customers, two warehouses, and two users beside the
administrator: ``sync`` for the sync layer and ``clerk`` for the people in sales, warehouse and
accounts. Runs once per snapshot and is not meant to be run twice on one database.
"""

from __future__ import annotations

import calendar
from datetime import date
from decimal import Decimal
from typing import Any

from sync_workers.sandbox.tryton import cases, catalogue, equipment
from sync_workers.sandbox.tryton.rpc import Row, Rpc

SYNC = "sync"
CLERK = "clerk"
GROUPS = {
    SYNC: (
        ("sale", "group_sale"), ("sale", "group_sale_admin"), ("stock", "group_stock"), ("account", "group_account"),
        ("party", "group_party_admin"), ("product", "group_product_admin"),
        ("account_product", "group_account_product_admin"),
    ),
    CLERK: (
        ("sale", "group_sale_admin"), ("stock", "group_stock_admin"),
        ("stock", "group_stock_force_assignment"),
        ("stock", "group_stock_cancellation"), ("account", "group_account_admin"),
        ("account_credit_limit", "group_credit_limit"), ("party", "group_party_admin"),
        ("product", "group_product_admin"), ("account_product", "group_account_product_admin"),
        ("currency", "group_currency_admin"), ("carrier", "group_carrier_admin"),
    ),
}  # fmt: skip
COUNTRIES = (
    ("US", "USA", "840", "United States"), ("CA", "CAN", "124", "Canada"), ("DE", "DEU", "276", "Germany"),
)  # fmt: skip


def seed(admin: Rpc, passwords: dict[str, str], today: date) -> None:
    """Fill the database that ``admin`` is logged in to; ``passwords`` are those of SYNC and CLERK."""
    company = _add_company(admin, today)
    accounts = _add_chart(admin, company)
    for year in (today.year, today.year + 1):
        _add_fiscal_year(admin, company, year)
    category = _add_category(admin, company, accounts)
    terms = _add_payment_terms(admin)
    lists = _add_price_lists(admin, company)
    units = _add_units(admin)
    _add_warehouse(admin)
    # an invoice follows each shipment, for what was shipped
    admin.write("sale.configuration", [1], {"sale_invoice_method": "fulfillment"})
    equipment.add_currencies(admin, accounts, today)
    equipment.add_payment_method(admin, company)
    equipment.add_carriers(admin, category, units[catalogue.UNIT])
    products = _add_parts(admin, category, units)
    _count_stock(admin, products, today)
    _add_customers(admin, terms, lists)
    cases.add_exemption(admin, company, accounts)
    cases.add_hold_category(admin)
    cases.add_notes_on_people(admin)
    cases.add_superseded_part(admin, category, units[catalogue.UNIT])
    for login, groups in GROUPS.items():
        _add_user(admin, login, passwords[login], company, groups)


def _add_company(rpc: Rpc, today: date) -> int:
    (currency,) = rpc.create("currency.currency", {
        "name": "US Dollar", "code": "USD", "numeric_code": "840", "symbol": "$", "digits": 2,
        "rounding": Decimal("0.01"),
        "rates": [["create", [{"date": date(today.year, 1, 1), "rate": Decimal(1)}]]],
    })  # fmt: skip
    rpc.create("country.country", *(
        {"code": code, "code3": code3, "code_numeric": number, "name": name}
        for code, code3, number, name in COUNTRIES
    ))  # fmt: skip
    country = rpc.one("country.country", [["code", "=", "US"]])
    address = {"street_unstructured": "1 Distribution Drive", "city": "Peoria", "postal_code": "61602"}
    (party,) = rpc.create("party.party", {
        "name": "Heartland Parts Supply", "code": "SELF",
        "addresses": [["create", [address | {"country": country, "invoice": True, "delivery": True}]]],
    })  # fmt: skip
    (company,) = rpc.create("company.company", {"party": party, "currency": currency})
    rpc.write("res.user", [rpc.user_id], {"companies": [["add", [company]]], "company": company})
    rpc.refresh_context()
    return company


def _add_chart(rpc: Rpc, company: int) -> dict[str, int]:
    """Run the wizard that copies the universal chart, and return the accounts that others refer to."""
    template = rpc.data_id("account", "account_template_root_en")
    session, *_ = rpc.call("wizard.account.create_chart.create")
    chosen: Row = {"account": {"company": company, "account_template": template}}
    rpc.call("wizard.account.create_chart.execute", session, chosen, "create_account")
    accounts = {
        use: rpc.find("account.account", [[f"type.{use}", "=", True], ["closed", "!=", True]])[0]
        for use in ("receivable", "payable", "revenue", "expense")
    }
    taxes = rpc.data_id("account", "account_template_2_2_3_en")
    accounts["tax"] = rpc.one("account.account", [["template", "=", taxes]])
    defaults = {f"account_{use}": accounts[use] for use in ("receivable", "payable")}
    defaults |= {f"category_account_{use}": accounts[use] for use in ("revenue", "expense")}
    properties: Row = {"properties": defaults | {"company": company}}
    rpc.call("wizard.account.create_chart.execute", session, chosen | properties, "create_properties")
    rpc.call("wizard.account.create_chart.delete", session)
    return accounts


def _add_fiscal_year(rpc: Rpc, company: int, year: int) -> None:
    sequences = {
        use: rpc.create("ir.sequence.strict", {
            "name": f"{name} {year}", "company": company, "prefix": f"{prefix}{year}-", "padding": 5,
            "sequence_type": rpc.data_id(*kind),
        })[0]
        for use, name, prefix, kind in (
            ("move", "Moves", "M", ("account", "sequence_type_account_move")),
            ("invoice", "Invoices", "INV", ("account_invoice", "sequence_type_account_invoice")),
            ("credit", "Credit notes", "CN", ("account_invoice", "sequence_type_account_invoice")),
        )
    }  # fmt: skip
    of_invoices = {f"{way}_invoice_sequence": sequences["invoice"] for way in ("in", "out")}
    of_credits = {f"{way}_credit_note_sequence": sequences["credit"] for way in ("in", "out")}
    months = [(date(year, m, 1), date(year, m, calendar.monthrange(year, m)[1])) for m in range(1, 13)]
    rpc.create("account.fiscalyear", {
        "name": str(year), "company": company, "start_date": months[0][0], "end_date": months[-1][1],
        "move_sequence": sequences["move"],
        "invoice_sequences": [["create", [of_invoices | of_credits | {"company": company}]]],
        "periods": [["create", [
            {"name": f"{start:%Y-%m}", "start_date": start, "end_date": end} for start, end in months
        ]]],
    })  # fmt: skip


def _add_category(rpc: Rpc, company: int, accounts: dict[str, int]) -> int:
    """Add the sales tax and the account category that puts it on every part."""
    name, rate = catalogue.SALES_TAX
    (tax,) = rpc.create("account.tax", {
        "name": name, "description": name, "type": "percentage", "rate": rate, "company": company,
        "invoice_account": accounts["tax"], "credit_note_account": accounts["tax"],
    })  # fmt: skip
    (category,) = rpc.create("product.category", {
        "name": "Parts", "accounting": True, "customer_taxes": [["add", [tax]]],
        "account_revenue": accounts["revenue"], "account_expense": accounts["expense"],
    })  # fmt: skip
    return category


def _add_payment_terms(rpc: Rpc) -> dict[str, int]:
    terms = catalogue.PAYMENT_TERMS
    rows = [
        {"name": name, "lines": [["create", [
            {"type": "remainder", "relativedeltas": [["create", [{"days": days}]]]}
        ]]]}
        for name, days in terms.items()
    ]  # fmt: skip
    return dict(zip(terms, rpc.create("account.invoice.payment_term", *rows), strict=True))


def _add_price_lists(rpc: Rpc, company: int) -> dict[str, int]:
    lists = catalogue.PRICE_LISTS
    rows = [
        {"name": name, "company": company, "price": "list_price", "unit": "product_default",
         "tax_included": False,
         "lines": [["create", [
             {"sequence": place, "quantity": quantity or None, "formula": formula}
             for place, (quantity, formula) in enumerate(lines)
         ]]]}
        for name, lines in lists.items()
    ]  # fmt: skip
    return dict(zip(lists, rpc.create("product.price_list", *rows), strict=True))


def _add_units(rpc: Rpc) -> dict[str, int]:
    category = rpc.data_id("product", "uom_cat_unit")
    rows = [
        {"name": name, "symbol": symbol, "category": category, "factor": float(pieces),
         "rate": round(1 / pieces, 12), "rounding": 1.0, "digits": 0}
        for name, (symbol, pieces) in catalogue.BOXES.items()
    ]  # fmt: skip
    boxes = dict(zip(catalogue.BOXES, rpc.create("product.uom", *rows), strict=True))
    return boxes | {catalogue.UNIT: rpc.data_id("product", "uom_unit")}


def _add_warehouse(rpc: Rpc) -> None:
    main = rpc.data_id("stock", "location_warehouse")
    rpc.write("stock.location", [main], {"name": catalogue.MAIN_WAREHOUSE, "code": "MAIN"})
    name = catalogue.SECOND_WAREHOUSE
    areas = rpc.create("stock.location", *(
        {"name": f"{name} {area}", "code": f"WEST-{area[:3].upper()}", "type": kind}
        for area, kind in (
            ("input", "storage"), ("output", "storage"), ("storage", "storage"), ("lost", "lost_found")
        )
    ))  # fmt: skip
    roles = ("input_location", "output_location", "storage_location", "lost_found_location")
    warehouse: Row = {"name": name, "code": "WEST", "type": "warehouse"}
    rpc.create("stock.location", warehouse | dict(zip(roles, areas, strict=True)))


def _add_parts(rpc: Rpc, category: int, units: dict[str, int]) -> dict[str, int]:
    """Return the id of each part's product by its code."""
    parts = catalogue.parts()
    rpc.create("product.template", *(
        {
            "name": part.name, "type": "goods", "default_uom": units[catalogue.UNIT],
            "list_price": part.price, "cost_price_method": "fixed", "account_category": category,
            "salable": True, "sale_uom": units[part.sold_in],
            "products": [["create", [{"suffix_code": part.code, "cost_price": part.cost}]]],
        }
        for part in parts
    ))  # fmt: skip
    found = rpc.read("product.product", rpc.find("product.product", []), "code")
    return {row["code"]: row["id"] for row in found}


def _count_stock(rpc: Rpc, products: dict[str, int], today: date) -> None:
    storage = rpc.data_id("stock", "location_storage")
    west = rpc.one("stock.location", [["code", "=", "WEST-STO"]])
    stocked = [part for part in catalogue.parts() if part.on_hand]
    counts = {storage: {part.code: part.on_hand for part in stocked}}
    counts[west] = {part.code: part.on_hand // 4 for part in stocked[::10]}
    for location, counted in counts.items():
        lines: list[dict[str, Any]] = [
            {"product": products[code], "quantity": float(pieces)} for code, pieces in counted.items()
        ]
        (inventory,) = rpc.create("stock.inventory", {
            "location": location, "date": today, "empty_quantity": "keep", "lines": [["create", lines]],
        })  # fmt: skip
        rpc.press("stock.inventory", "confirm", inventory)


def _add_customers(rpc: Rpc, terms: dict[str, int], lists: dict[str, int]) -> None:
    countries = {row["code"]: row["id"] for row in
                 rpc.read("country.country", rpc.find("country.country", []), "code")}
    rpc.create("party.party", *(
        {
            "name": customer.name, "code": customer.code,
            "customer_payment_term": terms[customer.payment_term],
            "sale_price_list": lists[customer.price_list],
            "credit_limit_amount": customer.credit_limit,
            "addresses": [["create", [
                {"attn": address.name, "street_unstructured": address.street, "city": address.city,
                 "postal_code": address.postal_code, "country": countries[address.country],
                 "invoice": address.invoice, "delivery": address.delivery, "sequence": place}
                for place, address in enumerate(customer.addresses)
            ]]],
            "contact_mechanisms": [["create", [
                {"type": "email", "value": customer.email}, {"type": "phone", "value": customer.phone},
            ]]],
        }
        for customer in catalogue.customers()
    ))  # fmt: skip


def _add_user(
    rpc: Rpc, login: str, password: str, company: int, groups: tuple[tuple[str, str], ...]
) -> None:
    rpc.create("res.user", {
        "name": login.capitalize(), "login": login, "password": password,
        "companies": [["add", [company]]], "company": company,
        "groups": [["add", [rpc.data_id(*group) for group in groups]]],
    })  # fmt: skip
