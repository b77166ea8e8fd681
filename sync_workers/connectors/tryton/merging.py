"""Two customers that the CRM made one: the server's own wizard moves all that hangs on the one to the other.

``party.replace`` rewrites orders, shipments, invoices and entries, takes over addresses and contacts
switched off, and marks the party that went with ``replaced_by``. It asks first where names or tax
identifiers differ; they do whenever two companies are merged, so its questions are answered. Source:
trytond modules ``party`` 8.2, ``party.py`` (``Replace``), ``sale``, ``stock``, ``account``,
``account_invoice`` 8.2, ``party.py`` (``fields_to_replace``).
"""

from __future__ import annotations

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.tryton.errors import WarningAsked
from sync_workers.connectors.tryton.parties import Parties
from sync_workers.connectors.tryton.session import Deadline
from sync_workers.connectors.tryton.wizards import run_wizard
from sync_workers.errors import PermanentError

REPLACE = "replace"
WIZARD = "party.replace"
_QUESTIONS = 2  # the name, the tax identifier


class Merging:
    """The step ``replace`` of a customer: ``fields["source"]`` becomes part of the one written to."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._session = parties.session

    def take(self, write: NativeWrite, within: Deadline) -> Native:
        """Replace one party by another and return the one that stays. Twice is harmless."""
        if write.action != REPLACE:
            raise PermanentError(
                f"customer: Tryton has no step {write.action!r}", mend=f"the only one is {REPLACE}"
            )
        source, target = str(write.fields.get("source") or ""), str(write.id or "")
        found = self._parties.read_many([source, target], within)
        for number in (source, target):
            if number not in found:
                raise PermanentError(
                    f"customer {number or '(none)'}: Tryton has no such party to merge",
                    mend="it was deleted there: unlink it",
                )
        gone, stays = found[source], found[target]
        if gone.fields["replaced_by"] == target:
            return stays
        for one in (gone, stays):
            if heir := one.fields["replaced_by"]:
                raise PermanentError(
                    f"customer {one.id}: Tryton has merged it into party {heir} already, "
                    f"so party {source} cannot become part of {target}",
                    mend="merge what is left by hand in Tryton (Party, Replace), then unlink the one that is gone",
                )
        self._replace(int(source), int(target), within)
        return self._parties.read_back(int(target), within)

    def _replace(self, source: int, target: int, within: Deadline) -> None:
        asked = {"ask": {"source": source, "destination": target}}
        for question in range(_QUESTIONS + 1):
            try:
                run_wizard(self._session, WIZARD, self._parties.model, target, REPLACE, asked, within)
                return
            except WarningAsked as warning:
                if question == _QUESTIONS or not warning.name.startswith(WIZARD):
                    raise
                skip = "model.res.user.warning.skip"
                self._session.call(skip, warning.name, False, within=within, writes=True)
