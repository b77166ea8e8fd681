"""Records under work, as the engine sees them: one door to claims, what they carry, and links."""

from sync_workers.ledger.claims import (
    Claim,
    claim,
    due,
    lock,
    oldest_due,
    release,
    renew,
    standing,
    waits_on,
)
from sync_workers.ledger.links import (
    ids_of,
    open_creates,
    places_of,
    records_of,
    taken,
    undecided_creates,
    versions_of,
)
from sync_workers.ledger.works import AttemptRow, EventRow, LetterRow, RefRow, Work, held_between, load

__all__ = [
    "AttemptRow",
    "Claim",
    "EventRow",
    "LetterRow",
    "RefRow",
    "Work",
    "claim",
    "due",
    "held_between",
    "ids_of",
    "load",
    "lock",
    "oldest_due",
    "open_creates",
    "places_of",
    "records_of",
    "release",
    "renew",
    "standing",
    "taken",
    "undecided_creates",
    "versions_of",
    "waits_on",
]
