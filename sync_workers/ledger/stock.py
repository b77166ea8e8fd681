"""Stock in bulk: readings are compared with the last ones a page at a time, and only what moved becomes news.

However many readings come in, no more than a few thousand are in memory. A page is one look-up that gives
what is known as text: what reads the same is neither parsed nor checked. What was seen and had not moved
costs one row a page (``stock_seen``) instead of a new version of each level. What a figure means, and who
gets it, is the mapping's and the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from sync_workers.ledger import inbox
from sync_workers.ledger.alerts import close_incident, raise_alert
from sync_workers.ledger.readings import Reading, Refusal, are_plain, fault_of, is_same, shown
from sync_workers.ledger.statements import Prepared, Tx

__all__ = ["Reading", "Refusal", "Staged", "stage"]

PAGE = 500
NEWS_CHUNK = 2000
SEEN_CHUNK = 5000
KEPT_REFUSALS = 100
QUIET_S = 3600.0
SEEN_FOR = timedelta(days=1)
"""How long it is kept who was seen. A reading that is older than the newest by more cannot be told from a
stale one any more and counts as one; the next poll or sweep reads the part afresh."""


@dataclass
class Staged:
    """What one staging did. ``due`` are the stock records to wake; ``refused`` the first of ``refusals``."""

    seen: int = 0
    changed: int = 0
    older: int = 0
    refusals: int = 0
    refused: list[Refusal] = field(default_factory=list)
    due: list[int] = field(default_factory=list)


# One staging per system at a time: between a comparison and its commit nobody else's figures come in.
ALONE = "SELECT pg_advisory_xact_lock(hashtext('stock_levels'), hashtext(%s))"
NEWEST = """
SELECT read_at, least(read_at, clock_timestamp()) - %s FROM stock_seen WHERE system = %s
 ORDER BY read_at DESC LIMIT 1
"""
KNOWN = Prepared("""
SELECT string_agg(external_id || E'\\n' || part_number || E'\\t' || on_hand || E'\\t' || allocated || E'\\t'
                  || available || E'\\t' || further, E'\\n'), max(read_at)
  FROM stock_levels WHERE system = %s AND external_id = ANY(string_to_array(%s, E'\\n'))
""")
LATER = """
WITH asked AS MATERIALIZED (SELECT external_id FROM unnest(string_to_array(%(ids)s, E'\\n')) AS a (external_id))
SELECT external_id, max(read_at) FROM (
    SELECT external_id, l.read_at FROM asked JOIN stock_levels l USING (external_id)
     WHERE l.system = %(system)s AND l.read_at >= %(oldest)s
    UNION ALL
    SELECT external_id, s.read_at
      FROM (SELECT read_at, unnest(string_to_array(external_ids, E'\\n')) AS external_id FROM stock_seen
             WHERE system = %(system)s AND read_at >= %(oldest)s) AS s JOIN asked USING (external_id)) AS known
 GROUP BY 1
"""
KEEP = Prepared("""
INSERT INTO stock_levels AS l (system, external_id, part_number, on_hand, allocated, available, further, read_at)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[],
                         %s::timestamptz[])
ON CONFLICT (system, external_id) DO UPDATE
   SET part_number = excluded.part_number, on_hand = excluded.on_hand, allocated = excluded.allocated,
       available = excluded.available, further = excluded.further, read_at = excluded.read_at
 WHERE excluded.read_at > l.read_at
""")
SEEN = Prepared("INSERT INTO stock_seen (system, read_at, external_ids) VALUES (%s, %s, %s)")
FORGET = "DELETE FROM stock_seen WHERE system = %s AND read_at < %s"


def stage(tx: Tx, system: str, rows: Iterable[Reading], *, whole: bool = True) -> Staged:
    """Compare readings with the last ones known, keep those that moved and raise an event for each.

    Safe to repeat with the same readings: they are equal then. Whatever ``rows`` raises goes up, and
    nothing was changed; they should be at hand, since an open transaction waits for them. ``whole``
    False: these are one page of many, so that no refusal among them does not mean that all is well.
    """
    tx.execute(ALONE, (system,))
    staging = _Staging(tx, system)
    source = iter(rows)
    while page := list(islice(source, PAGE)):
        staging.take(page)
    staging.end()
    _tell(tx, system, staging.staged, whole)
    return staging.staged


def all_is_well(tx: Tx, system: str) -> None:
    """Close the incident of readings that were refused: all parts were read and none was."""
    close_incident(tx, _incident(system))


class _Staging:
    """One staging under way; the caller holds the system's lock."""

    def __init__(self, tx: Tx, system: str) -> None:
        self._tx, self._system = tx, system
        self.staged = Staged()
        self._moved: dict[str, Reading] = {}
        self._same: dict[datetime, list[str]] = {}
        self._same_count = 0
        row = tx.execute(NEWEST, (SEEN_FOR, system)).fetchone()
        self._newest, self._horizon = row or (None, None)
        self._own: datetime | None = None

    def take(self, page: Sequence[Reading]) -> None:
        """Compare one page, and keep what moved in it."""
        self.staged.seen += len(page)
        names, times = [one.external_id for one in page], {one.at for one in page}
        if not are_plain(names, times):
            page = self._sound(page)
            names, times = [one.external_id for one in page], {one.at for one in page}
        if not page:
            return
        if len(self._moved) >= NEWS_CHUNK or not self._moved.keys().isdisjoint(names):
            self._keep()
        ids = "\n".join(names)
        known, newest = self._known(ids)
        later = self._later(page, ids, min(times), newest)
        differing = [one for one in page if known.get(one.external_id) != shown(one)]
        strange = {one.external_id for one in differing}
        same = [name for name in names if name not in strange]
        if len(times) == 1:
            self._see(times.pop(), same)
        else:
            at_of = {one.external_id: one.at for one in page}
            for name in same:
                self._see(at_of[name], [name])
        self._sort(differing, known, later)

    def _known(self, ids: str) -> tuple[dict[str, str], datetime | None]:
        row = self._tx.execute(KNOWN, (self._system, ids)).fetchone()
        text, newest = row or (None, None)
        parts = text.split("\n") if text else []
        return dict(zip(parts[::2], parts[1::2], strict=True)), newest

    def _later(
        self, page: Sequence[Reading], ids: str, oldest: datetime, newest: datetime | None
    ) -> dict[str, datetime]:
        """Return what was read of these parts at or after the ``oldest`` of the page: nothing, as a rule."""
        if not any(at and at >= oldest for at in (newest, self._newest)) and not (self._own and self._own > oldest):
            return {}
        self._note_seen()
        later: dict[str, datetime] = dict(self._tx.rows(LATER, {"system": self._system, "ids": ids, "oldest": oldest}))
        self.staged.older += sum(1 for one in page if one.external_id in later and one.at < later[one.external_id])
        return later

    def end(self) -> None:
        """Keep what is left, and forget whom nobody can be older than any more."""
        self._keep()
        self._note_seen()
        if self._horizon is not None:
            self._tx.execute(FORGET, (self._system, self._horizon))

    def _sort(self, differing: Sequence[Reading], known: dict[str, str], later: dict[str, datetime]) -> None:
        for one in differing:
            fault = fault_of(one)
            if fault is not None:
                self._refuse(one, fault)
            elif one.external_id in later and one.at <= later[one.external_id]:
                pass  # counted already, where it is older
            elif one.external_id not in known:
                self._moved[one.external_id] = one
            elif self._horizon is not None and one.at < self._horizon:
                self.staged.older += 1
            elif is_same(one, known[one.external_id]):
                self._see(one.at, [one.external_id])
            else:
                self._moved[one.external_id] = one

    def _keep(self) -> None:
        """Store the levels that moved, and raise an event for each."""
        moved = list(self._moved.values())
        if not moved:
            return
        self._moved = {}
        self.staged.changed += len(moved)
        self._tx.execute(KEEP, (
            self._system, [one.external_id for one in moved], [one.part_number for one in moved],
            [one.on_hand for one in moved], [one.allocated for one in moved], [one.available for one in moved],
            [one.further for one in moved], [one.at for one in moved]))
        arrivals = [inbox.Arrival(self._system, "stock", one.external_id, "poll") for one in moved]
        self.staged.due += [one.record_id for one in inbox.record_arrivals(self._tx, arrivals) if one.due]

    def _see(self, at: datetime, names: Sequence[str]) -> None:
        if names:
            self._same.setdefault(at, []).extend(names)
            self._same_count += len(names)
            self._own = max(self._own or at, at)
            if self._same_count >= SEEN_CHUNK:
                self._note_seen()

    def _note_seen(self) -> None:
        """Keep when parts were seen as they stand: a slower, older reading must not overwrite them later."""
        for at, ids in self._same.items():
            self._tx.execute(SEEN, (self._system, at, "\n".join(ids)))
        self._same, self._same_count = {}, 0

    def _sound(self, page: Sequence[Reading]) -> list[Reading]:
        """Look at each reading of a page, and leave out what cannot be kept; of a part read twice the newest counts."""
        newest: dict[str, Reading] = {}
        for one in page:
            fault = fault_of(one)
            if fault is not None:
                self._refuse(one, fault)
            elif one.external_id not in newest or newest[one.external_id].at < one.at:
                newest[one.external_id] = one
        return list(newest.values())

    def _refuse(self, one: Reading, fault: str) -> None:
        self.staged.refusals += 1
        if len(self.staged.refused) < KEPT_REFUSALS:
            self.staged.refused.append(Refusal(str(one.external_id)[:200].replace("\x00", "\ufffd"), fault))


def _incident(system: str) -> str:
    return f"stock readings:{system}"


def _tell(tx: Tx, system: str, staged: Staged, whole: bool) -> None:
    if not staged.refusals:
        if staged.seen and whole:
            all_is_well(tx, system)
        return
    lines = [f"{one.external_id}: {one.reason}" for one in staged.refused[:5]]
    raise_alert(
        tx, _incident(system), "error", f"{system} shows stock figures that cannot be right",
        f"{staged.refusals} of {staged.seen} readings were left out, all others went through:\n" + "\n".join(lines)
        + f"\nWhat to do: correct these parts in {system}; the next poll or sweep takes them.",
        quiet_s=QUIET_S,
    )
