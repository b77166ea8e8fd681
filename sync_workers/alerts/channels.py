"""The places where people are told, by Apprise URL. Knows no incident and no ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync_workers import logs

if TYPE_CHECKING:
    from apprise import Apprise

log = logs.get(__name__)

TYPES = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}


class Channels:
    """All configured URLs. One that Apprise does not understand is told by ``unusable``, never by its text:
    these URLs hold credentials."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.unusable: list[str] = []
        self._targets: list[tuple[str, Apprise]] = []
        if not urls:
            return
        from apprise import Apprise, AppriseAsset  # only what tells people pays for it

        asset = AppriseAsset(app_id="sync-workers", app_desc="sync-workers")
        for number, url in enumerate(urls, 1):
            name = f"SYNC_ALERT_URLS number {number} ({url.partition('://')[0][:20] or 'no scheme'})"
            target = Apprise(asset=asset)
            if target.add(url):
                self._targets.append((name, target))
            else:
                self.unusable.append(name)

    def __bool__(self) -> bool:
        return bool(self._targets)

    def send(self, title: str, body: str, severity: str) -> tuple[int, list[str]]:
        """Tell every channel; return how many took it and the names of those that did not."""
        taken, refused = 0, list(self.unusable)
        for name, target in self._targets:
            try:
                took = bool(target.notify(title=title, body=body, notify_type=TYPES[severity]))
            except Exception as error:  # any client of any service: the others must still be told
                log.warning("An alert channel failed", channel=name, error=type(error).__name__)
                took = False
            if took:
                taken += 1
            else:
                refused.append(name)
        return taken, refused
