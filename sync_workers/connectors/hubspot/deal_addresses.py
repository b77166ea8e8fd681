"""Where an order is billed and shipped to: address records linked to the deal with a label.

The company's own address is no record, so a deal without such a link means that one. Source:
developers.hubspot.com, "Associations API v4", "Associate records with a label".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import FieldType
from sync_workers.connectors.hubspot import addresses
from sync_workers.connectors.hubspot.associations import PLAIN, Associations, Link
from sync_workers.connectors.hubspot.homes import Homes
from sync_workers.connectors.hubspot.objects import COMPANIES, DEALS, RECHECK, HubspotObject
from sync_workers.connectors.hubspot.wire import Json, Wire
from sync_workers.errors import Hold, TransientError

LABELS: Mapping[str, str] = {"bill_to": "Bill to", "ship_to": "Ship to"}
FIELDS: Mapping[str, FieldType] = {name: FieldType("string") for name in LABELS}
NOT_THERE_YET = timedelta(seconds=5)


class DealAddresses:
    """Reads and writes the labelled links between deals and addresses."""

    def __init__(self, wire: Wire, homes: Homes, links: Associations) -> None:
        self._wire = wire
        self._homes = homes
        self._links = links

    def read(self, documents: Sequence[Json], *, inline: bool) -> dict[str, Json]:
        """Return ``{"bill_to": key, "ship_to": key}`` by deal; a deal without such a link is left out."""
        place = self._homes.addresses()
        if place is None:
            return {}
        deals = [str(each["id"]) for each in documents]
        if inline:  # most deals have none, and the document says so
            deals = list(self._links.of(DEALS, place, documents, inline=True))
        links = self._links.many(DEALS, place, deals) if deals else {}
        chosen = {deal: _chosen(mine) for deal, mine in links.items()}
        ids = [each for mine in chosen.values() for each in mine.values()]
        rows = self._wire.read_batch(place.path, list(dict.fromkeys(ids)), [addresses.KEY])
        keys = {str(row["id"]): addresses.key_of(row) for row in rows}
        return {
            deal: {name: keys.get(record_id) for name, record_id in mine.items()}
            for deal, mine in chosen.items()
        }

    def write(
        self, deal_id: str, wanted: Mapping[str, Any], companies: Sequence[str] | None, budget_s: float
    ) -> frozenset[str]:
        """Let the deal bear each label on the address with that key and on no other; None takes it off.

        ``companies`` are those of the deal where the caller knows them. TransientError while the address is
        not there yet: the customer's own sync brings it. Returns the labels that no link shows, since the
        address is the company's own.
        """
        place = self._homes.addresses()
        if place is None:
            return frozenset(wanted)  # every order goes to the company's own address
        links = {each.id: each for each in self._links.many(DEALS, place, [deal_id]).get(deal_id, ())}
        if companies is None:
            companies = [each.id for each in self._links.many(DEALS, COMPANIES, [deal_id]).get(deal_id, ())]
        implied = set()
        for name, key in wanted.items():
            target = self._find(place, deal_id, companies, str(key)) if key else None
            self._move(place, deal_id, links, LABELS[name], target, budget_s)
            if target is None:
                implied.add(name)
        return frozenset(implied)

    def _move(
        self,
        place: HubspotObject,
        deal_id: str,
        links: dict[str, Link],
        label: str,
        target: str | None,
        budget_s: float,
    ) -> None:
        named = label.casefold()
        for other, link in list(links.items()):
            if named in link.types and other != target:
                self._links.take_off(DEALS, deal_id, place, other, link.types[named], budget_s)
                links[other] = Link(other, {name: one for name, one in link.types.items() if name != named})
        present = links[target].types if target in links else {}
        if target is None or named in present:
            return
        known = self._links.types(DEALS, place)
        if named not in known:
            known = self._links.ask(DEALS, place)
        if named not in known:
            raise Hold(
                "label_missing",
                f"{self._wire.system}: deals and {place.name} have no association label {label!r}",
                mend="run doctor --fix, which creates it",
                recheck=RECHECK,
            )
        types = {PLAIN: known[PLAIN], **present, named: known[named]}
        self._links.put(DEALS, deal_id, place, target, types, budget_s)
        links[target] = Link(target, types)

    def _find(
        self, place: HubspotObject, deal_id: str, companies: Sequence[str], key: str
    ) -> str | None:
        """Return the id of the company's address with that key, None for the company's own."""
        linked = self._links.many(COMPANIES, place, companies)
        ids = [link.id for mine in linked.values() for link in mine]
        rows = self._wire.read_batch(place.path, list(dict.fromkeys(ids)), [addresses.KEY])
        for row in rows:
            if addresses.key_of(row) == key:
                return str(row["id"])
        own = self._wire.read_batch(COMPANIES.path, list(companies), addresses.OWN_PROPERTIES)
        if any((addresses.own_item(row["properties"]) or {}).get("key") == key for row in own):
            return None
        whose = f"company {' or '.join(companies)}" if companies else "no company"
        raise TransientError(
            f"{self._wire.system}: deal {deal_id} is of {whose}, which has no address {key!r} yet",
            wait=NOT_THERE_YET,
        )


def _chosen(links: Sequence[Link]) -> dict[str, str]:
    """Return the address of each label; where somebody gave one label twice, the older record."""
    found: dict[str, str] = {}
    for name, label in LABELS.items():
        bearers = sorted((link.id for link in links if label.casefold() in link.types), key=int)
        if bearers:
            found[name] = bearers[0]
    return found
