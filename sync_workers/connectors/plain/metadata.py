"""What a plain system says of its own fields, and what of it the sheets lack there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sync_workers.connectors.contract import FieldType, Finding
from sync_workers.connectors.http import Http
from sync_workers.errors import SyncError


def describe(http: Http, kind: str) -> dict[str, FieldType]:
    """Return the fields of a kind by path."""
    reply = http.call("GET", f"/_meta/{quote(kind)}", writes=False)
    return {
        path: FieldType(
            type=str(each["type"]),
            required=bool(each.get("required")),
            read_only=bool(each.get("read_only")),
            unique=bool(each.get("unique")),
            choices=tuple(each.get("choices", ())),
        )
        for path, each in reply.json["fields"].items()
    }


def examine(http: Http, paths: Mapping[str, Sequence[str]], *, fix: bool) -> list[Finding]:
    """Look for every path that the sheets use; with ``fix`` have the missing ones made."""
    try:
        reply = http.call("GET", "/_meta", writes=False)
    except SyncError as error:
        return [Finding(f"{http.system} answers", ok=False, mend=error.mend or error.message)]
    findings = [Finding(f"{http.system} answers", ok=True)]
    for kind, used in sorted(paths.items()):
        if fix:
            http.call("POST", f"/_meta/{quote(kind)}", json={"fields": list(used)}, writes=True)
        known = describe(http, kind)
        for path in used:
            ok = path in known or reply.json.get("open", False)
            mend = "" if ok else f"add the field {path} to {kind} of {http.system}"
            findings.append(Finding(f"{kind}.{path} exists", ok=ok, mend=mend, fix="" if ok else path))
    return findings
