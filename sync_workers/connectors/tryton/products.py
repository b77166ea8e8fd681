"""Parts: ``product.product`` with what it inherits from its template.

A part number is ``product.product.code`` (the template's code followed by ``suffix_code``), which the
database keeps unique among active products (trytond modules ``product`` 8.2, ``product.py``:
``code_exclude``), so a second create is refused: variant T1. Name, price and unit belong to the template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import Fields, Finding, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.errors import BusinessError
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.parties import BUSY_AFTER
from sync_workers.connectors.tryton.prices import PLACES as PRICE_PLACES
from sync_workers.connectors.tryton.prices import Prices
from sync_workers.connectors.tryton.records import Kind, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.connectors.tryton.versions import version_of, version_showing
from sync_workers.errors import Exists, PermanentError

_OWN = {"code": "suffix_code", "description": "description", "active": "active"}
_TEMPLATE = {"name": "name", "list_price": "list_price"}


class Products(Kind):
    """Reads and writes parts."""

    name = "part"
    model = "product.product"
    traits = Traits(variant=Variant.T1, busy_after=BUSY_AFTER, preconditions=True)
    asked = (
        "code",
        "name",
        "description",
        "list_price_used",
        "list_price",
        "active",
        "salable",
        "default_uom.symbol",
        "sale_uom.symbol",
        "replaced_by.code",
        "account_category.name",
        "template._timestamp",
        "template.code",
        "_timestamp",
        "last_modified_at",
    )
    tables = (Table("product.product"), Table("product.template", "products"))
    places: Mapping[str, Place] = {
        "code": Place("product.product", "code"),
        "description": Place("product.product", "description"),
        "active": Place("product.product", "active"),
        "name": Place("product.template", "name"),
        "list_price": Place("product.template", "list_price"),
        "salable": Place("product.template", "salable"),
        "unit.symbol": Place("product.template", "default_uom"),
        "sale_unit.symbol": Place("product.template", "sale_uom"),
        "replaced_by.code": Place("product.product", "replaced_by"),
        "account_category": Place("product.template", "account_category"),
    }
    searched = {"id": "id", "code": "code", "name": "name"}

    def __init__(self, session: Session, lookups: Lookups, prices: Prices) -> None:
        super().__init__(session)
        self.lookups = lookups
        self._prices = prices
        if prices.scope.lists:
            self.places = {**self.places, **PRICE_PLACES}

    def polled(self, within: Deadline) -> Sequence[Table]:
        return [*self.tables, *self._prices.tables(within)]

    def findings(self, within: Deadline) -> list[Finding]:
        return self._prices.findings(within)

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows, with the prices in scope asked for all of them at once."""
        if not self._prices.scope.lists:
            return super().natives(rows, within)
        prices = self._prices.of(rows, within)
        return [self.native(row | {"prices": prices[row["id"]]}) for row in rows]

    def native(self, row: Row) -> Native:
        fields: Fields = {
            "id": str(row["id"]),
            "code": row["code"],
            "name": row["name"],
            "description": row["description"],
            "list_price": row["list_price_used"],
            "unit": {"symbol": get(row, "default_uom", "symbol")},
            "sale_unit": {"symbol": get(row, "sale_uom", "symbol")},
            "salable": row.get("salable"),
            "account_category": get(row, "account_category", "name"),
            "active": row["active"],
            "replaced_by": {"code": get(row, "replaced_by", "code")},
        }
        stamps = self.stamps(row)
        if "prices" in row:
            fields["prices"] = row["prices"]
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_showing(stamps, row["prices"]) if "prices" in row else version_of(stamps),
            archived=self.archived_only(row),
            changed_at=row["last_modified_at"],
        )

    def stamps(self, row: Row) -> dict[str, str]:
        template = row["template"]
        return super().stamps(row) | {f"product.template,{template['id']}": template["_timestamp"]}

    def create(self, write: NativeWrite, within: Deadline) -> int:
        changes = flatten(write.fields)
        if write.reference_path:
            changes[write.reference_path] = write.reference
        symbol = changes.pop("unit.symbol", None)
        unit = self.lookups.coded("product.uom", "symbol", symbol, "unit.symbol", within)
        category = changes.pop("account_category", None)
        category_id = self.lookups.named("product.category", category, "account_category", within)
        template, own = self._split({}, changes)
        if category_id is not None:
            template["account_category"] = category_id
        values = {
            "type": "goods",
            "salable": True,
            "default_uom": unit,
            "sale_uom": unit,
            **template,
            "products": [["create", [own]]],
        }
        try:
            created = self.session.call("model.product.template.create", [values], within=within, writes=True)
        except BusinessError as refused:
            twins = self.rows([["code", "=", changes.get("code")], ["active", "=", True]], within)
            if not twins:
                raise
            raise Exists(
                f"part: Tryton already has the part number {changes.get('code')!r}",
                external_id=str(twins[0]["id"]),
            ) from refused
        made = self.session.search_read(
            "product.product", [["template", "=", created[0]]], ["id"], within=within
        )
        return int(made[0]["id"])

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        """Return the template's values, the product's own nested in them: one call, one transaction."""
        template, own = self._split(row, changes)
        return template | ({"products": [["write", [row["id"]], own]]} if own else {})

    def send_update(self, row: Row, values: Row, stamps: Mapping[str, str], within: Deadline) -> None:
        self.session.call(
            "model.product.template.write",
            [row["template"]["id"]],
            values,
            within=within,
            context={"_timestamp": dict(stamps)},
            writes=True,
        )

    def _split(self, row: Row, changes: Mapping[str, Any]) -> tuple[Row, Row]:
        """Sort changes into the template's values and the product's own."""
        template: Row = {}
        own: Row = {}
        for path, value in changes.items():
            if path == "code" and value is not None:
                own["suffix_code"] = str(value).removeprefix(get(row, "template", "code") or "")
            elif path == "list_price" and row.get("list_price") is not None:
                own["list_price"] = value  # the product has a price of its own, which hides the template's
            elif path in _OWN:
                own[_OWN[path]] = value
            elif path in _TEMPLATE:
                template[_TEMPLATE[path]] = value
            else:
                raise PermanentError(
                    f"part: Tryton has no field {path!r} to write",
                    field=path,
                    mend="remove it from the sheet",
                )
        return template, own
