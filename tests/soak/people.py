"""What people do in both systems. Each act draws from a generator of its own, so that none shifts another's choice."""

from __future__ import annotations

import random
from typing import Any

from sync_workers.sandbox.plain.rules import Record
from tests.world import World, make_order

BAD_PART = "NO-SUCH-PART"


class People:
    """Sales reps in the CRM and clerks in the ERP."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.companies: list[str] = []
        self.deals: list[str] = []

    def new_company(self, draw: random.Random) -> None:
        number = len(self.companies)
        self.companies.append(self.world.crm.put("customer", {"name": f"Company {number}", "phone": str(number)}))

    def new_order(self, draw: random.Random) -> None:
        number = len(self.deals)
        company = draw.choice(self.companies) if self.companies and draw.random() < 0.7 else None
        lines = [{"sku": f"P-{draw.randrange(50)}", "quantity": str(draw.randrange(1, 20)),
                  "price": f"{draw.randrange(1, 9999) / 100}"} for _ in range(draw.randrange(1, 4))]
        if draw.random() < 0.05:
            lines[0]["sku"] = BAD_PART
        fields = make_order(po_number=f"PO-{number}", status=str(number), lines=lines)
        self.deals.append(self.world.crm.put("order", {**fields, **({"company": company} if company else {})}))

    def edit_order(self, draw: random.Random) -> None:
        if self.deals:
            self.world.crm.edit("order", draw.choice(self.deals), {"status": f"s{draw.randrange(1000)}"})

    def edit_customer_in_crm(self, draw: random.Random) -> None:
        if self.companies:
            self.world.crm.edit("customer", draw.choice(self.companies), {"phone": str(draw.randrange(10_000))})

    def edit_in_erp(self, draw: random.Random) -> None:
        kind = draw.choice(("order", "customer"))
        field = draw.choice({"order": ("number", "comment"), "customer": ("phone", "credit_limit")}[kind])
        self._edit_there(draw, kind, {field: str(draw.randrange(1000))})

    def overreach_in_erp(self, draw: random.Random) -> None:
        """Edit what the CRM owns."""
        self._edit_there(draw, "customer", {"name": f"X {draw.randrange(99)}"})

    def _edit_there(self, draw: random.Random, kind: str, fields: dict[str, Any]) -> None:
        """Edit in the ERP what came from the CRM; what the fleet has not carried over yet nobody can edit."""
        ours = self.deals if kind == "order" else self.companies
        found = self._twin(kind, draw.choice(ours)) if ours else None
        if found is not None:
            self.world.erp.edit(kind, found.id, fields)

    def _twin(self, kind: str, name: str) -> Record | None:
        reference = f"crm-{kind}-{name}"
        return next((each for each in self.world.erp.store.all(kind) if each.fields.get("reference") == reference),
                    None)  # fmt: skip
