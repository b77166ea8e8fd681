"""What Tryton's refusals mean, sorted into the classes of ``sync_workers.errors``.

Over JSON-RPC a business refusal is HTTP 200 with ``error``; its texts are translated and are shown,
never matched. Where the class alone does not decide (a duplicate code, a credit limit), the caller
looks at the records. Source: trytond 8.2, ``trytond/exceptions.py``, ``trytond/wsgi.py``
(``dispatch_request``) and ``trytond/protocols/dispatcher.py`` (``_dispatch``: every exception inside
the transaction rolls it back before the answer is made).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sync_workers.connectors.http import Reply
from sync_workers.errors import Hold, PermanentError, SyncError, SystemDown, TransientError, Unsure

BUSY = ("could not obtain lock", "could not serialize access", "deadlock detected")
"""PostgreSQL's own words (SQLSTATE 55P03, 40001, 40P01) for a statement that was refused: its transaction
is rolled back. Translated or other text stays Unsure for a write, which costs a look and nothing else."""


class BusinessError(PermanentError):
    """A UserError: a rule, a validation, a missing right. Nothing was stored."""


class WarningAsked(Hold):
    """A UserWarning: the server asks a question and stored nothing. ``name`` is what accepting it quotes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(
            "needs_confirmation",
            message,
            mend="do the step in Tryton and answer the question there, or list this warning's kind "
            f"({name.rpartition('.')[2]!r}) under accept_warnings of this system",
            recheck=timedelta(minutes=5),
        )
        self.name = name


class StaleError(TransientError):
    """The record is not as it was when we planned: nothing was stored, plan again."""


class LostSessionError(TransientError):
    """The server did not know our session: the call was not executed."""


def sort_error(what: str, error: Any) -> SyncError:
    """Sort the ``error`` of an answer with status 200. ``what`` opens the message."""
    name, *details = error if isinstance(error, list) and error else [str(error)]
    detail = details[0] if details else None
    if name == "UserError":
        text, description = _texts(detail)
        return BusinessError(f"{what}: {text}", mend=description or "change the value, or the rule in Tryton")
    if name == "UserWarning":
        warning, text = (str(detail[0]), str(detail[1])) if isinstance(detail, list) else ("", str(detail))
        return WarningAsked(warning, f"{what}: {text}")
    if name == "ConcurrencyException":
        return StaleError(f"{what}: the record was changed in Tryton in the meanwhile")
    if name == "LoginException":
        return SystemDown(
            f"{what}: the login asks for more than a password", mend="give the user a plain password login"
        )
    return PermanentError(
        f"{what}: the server failed with {name!r}",
        mend="a name in quotes is a model or field that this Tryton has not: activate its module or mend the "
        "sheet; else see the server's log",
    )


def sort_status(system: str, reply: Reply, writes: bool) -> SyncError | None:
    """Sort a status of 300 and above; None leaves it to the default of ``http``."""
    if reply.status == 404:
        return SystemDown(
            f"{system}: no such database there (HTTP 404)", mend=f"check base_url and database of {system}"
        )
    if reply.status == 403:
        return PermanentError(
            f"{system}: the method is not open to clients (HTTP 403)", mend="activate the module that has it"
        )
    if reply.status == 503 and any(text in reply.body.decode("utf-8", "replace") for text in BUSY):
        return TransientError(f"{system}: the database is busy: {reply.text}")
    if reply.status == 504 and not writes:
        return TransientError(f"{system}: the read took longer than the server allows (request.timeout)")
    return None


def stale(what: str) -> StaleError:
    """The version that the plan was made under is not the present one."""
    return StaleError(f"{what}: changed in Tryton since it was read; it will be planned again")


def unsure_read_back(what: str, error: SyncError) -> Unsure:
    """The write went through but its result could not be read: the next run looks first."""
    return Unsure(f"{what}: written, but reading it back failed: {error.message}", outage=error.outage)


def _texts(detail: Any) -> tuple[str, str]:
    if isinstance(detail, list):
        return str(detail[0]), str(detail[1]) if len(detail) > 1 and detail[1] else ""
    return str(detail), ""
