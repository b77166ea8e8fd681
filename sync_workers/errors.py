"""The errors of the whole house, sorted by what happens next.

The class says what the engine does; the fields say the rest, so that the ledger,
the commands and the tests can read it. Connectors raise these and nothing else.
"""

from __future__ import annotations

from datetime import timedelta


class SyncError(Exception):
    """Any failure that we sorted. ``mend`` says, in plain words, what would put it right.

    ``outage``: the system did not serve us at all (no connection, no answer, 5xx), so it counts towards its
    circuit; a stale version, a lock or a limit speaks of this one record or of us.
    """

    outage = False

    def __init__(self, message: str, *, mend: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.field = field


class TransientError(SyncError):
    """Nothing was stored and the same try may succeed later; ``wait`` is the system's own advice."""

    def __init__(
        self, message: str, *, wait: timedelta | None = None, mend: str = "", outage: bool = False
    ) -> None:
        super().__init__(message, mend=mend)
        self.wait = wait
        self.outage = outage


class Throttled(TransientError):
    """The system asked the whole fleet to slow down: waited out, and costs no budget."""


class SystemDown(TransientError):
    """The system serves nobody now (circuit open, maintenance, credentials refused): its work waits."""

    def __init__(self, message: str, *, wait: timedelta | None = None, mend: str = "", outage: bool = True) -> None:
        super().__init__(message, wait=wait, mend=mend, outage=outage)


class Unsure(SyncError):
    """A write went out and its fate is unknown: the attempt stays open, the next run looks first."""

    def __init__(self, message: str, *, mend: str = "", field: str | None = None, outage: bool = True) -> None:
        super().__init__(message, mend=mend, field=field)
        self.outage = outage


class Exists(SyncError):
    """The system already has this one: look it up and adopt it. ``external_id`` when it told which."""

    def __init__(self, message: str, *, external_id: str | None = None) -> None:
        super().__init__(message)
        self.external_id = external_id


class Hold(SyncError):
    """A business state with a reason and a release path, not a failure.

    ``code`` is stable and short (``credit_hold``, ``totals_differ``, ``conflict`` ...);
    ``recheck`` is how soon to look again by ourselves, None when only news can release it. ``tell``: no field
    shows it to whoever entered the record, so a note does.
    """

    def __init__(
        self, code: str, message: str, *, mend: str = "", recheck: timedelta | None = None, tell: bool = False
    ) -> None:
        super().__init__(message, mend=mend)
        self.code = code
        self.recheck = recheck
        self.tell = tell


class PermanentError(SyncError):
    """Trying again cannot help: dead at once, with the field and what would mend it."""


class Unlinked(SyncError):
    """A field points to a record that is not yet known in a system: that one goes first."""

    def __init__(self, kind: str, system: str, external_id: str, target: str) -> None:
        super().__init__(f"{kind} {external_id} of {system} has no counterpart in {target} yet")
        self.kind = kind
        self.system = system
        self.external_id = external_id
        self.target = target


class SettingsError(SyncError):
    """A file or variable is missing or wrong; ``mend`` names it and what to write there."""


class Refused(SyncError):
    """A delivery that is not proven genuine: bad signature, stale time stamp."""


class Malformed(SyncError):
    """A genuine delivery that cannot be read: not JSON, wrong shape, too deep."""
