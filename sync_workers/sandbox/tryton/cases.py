"""What the stories need beyond an ordinary customer and an ordinary part: an exemption, a hold, a successor.

The seeder calls each once, after parts and customers. Who is who stands in ``catalogue``.
"""

from __future__ import annotations

from decimal import Decimal

from sync_workers.sandbox.tryton import catalogue
from sync_workers.sandbox.tryton.rpc import Rpc


def add_exemption(rpc: Rpc, company: int, accounts: dict[str, int]) -> None:
    """Add the tax rule that exempts, with a rate of nothing to report under, and the customer whom it exempts."""
    name = catalogue.EXEMPT
    sales_tax = rpc.one("account.tax", [["name", "=", catalogue.SALES_TAX[0]]])
    (nothing,) = rpc.create("account.tax", {
        "name": name, "description": name, "type": "percentage", "rate": Decimal(0), "company": company,
        "invoice_account": accounts["tax"], "credit_note_account": accounts["tax"],
    })  # fmt: skip
    (rule,) = rpc.create("account.tax.rule", {
        "name": name, "kind": "sale", "company": company,
        "lines": [["create", [{"origin_tax": sales_tax, "tax": nothing}]]],
    })  # fmt: skip
    party = rpc.one("party.party", [["code", "=", catalogue.EXEMPT_CUSTOMER]])
    rpc.write("party.party", [party], {"customer_tax_rule": rule})


def add_hold_category(rpc: Rpc) -> None:
    """Add the category of customers on hold; nobody is in it."""
    rpc.create("party.category", {"name": catalogue.ON_HOLD})


def add_notes_on_people(rpc: Rpc) -> None:
    """Add whom accounting knows at some customers: notes of its own, which are nobody else's."""
    for code, (name, email, phone) in catalogue.PEOPLE.items():
        party = rpc.one("party.party", [["code", "=", code]])
        note = {"party": party, "name": name, "comment": "accounts payable"}
        rpc.create(
            "party.contact_mechanism",
            note | {"type": "email", "value": email},
            note | {"type": "phone", "value": phone},
        )


def add_superseded_part(rpc: Rpc, category: int, unit: int) -> None:
    """Add a part that was switched off in favour of another."""
    code, successor = catalogue.SUPERSEDED
    (template,) = rpc.create("product.template", {
        "name": f"Ball bearing {code}, shielded", "type": "goods", "default_uom": unit, "sale_uom": unit,
        "list_price": Decimal("6.1"), "account_category": category, "salable": True,
        "products": [["create", [{"suffix_code": code, "cost_price": Decimal("3.66")}]]],
    })  # fmt: skip
    product = rpc.one("product.product", [["template", "=", template]])
    heir = rpc.one("product.product", [["code", "=", successor]])
    rpc.write("product.product", [product], {"active": False, "replaced_by": heir})
