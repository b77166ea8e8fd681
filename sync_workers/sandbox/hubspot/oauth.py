"""Tokens: the private app's fixed one, and those an OAuth app gets for its refresh token.

Source: developers.hubspot.com, "OAuth tokens"; error texts from public captures of 401 answers.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from sync_workers.sandbox.hubspot.wire import Json, Refusal, Reply, Request

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

SCOPES = [f"crm.objects.{name}.{verb}" for name in ("companies", "contacts", "deals", "line_items", "orders")
          for verb in ("read", "write")]  # fmt: skip
USER_ID = 1


class Tokens:
    """Access tokens given out, with the moment each expires."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.expiry_ms: dict[str, int] = {}
        self.refresh_revoked = False

    def issue(self) -> str:
        token = f"sandbox-{secrets.token_urlsafe(32)}"
        self.expiry_ms[token] = self.account.now_ms() + self.account.settings.access_token_ttl_s * 1000
        self.account.touch()
        return token

    def expire_all(self) -> None:
        """Let every OAuth access token run out now."""
        self.expiry_ms = dict.fromkeys(self.expiry_ms, 0)

    def check(self, request: Request) -> None:
        """Refuse a request without a valid Bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you "
                "can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )
        self.check_token(token.strip())

    def check_token(self, token: str) -> None:
        if secrets.compare_digest(token.encode(), self.account.settings.token.encode()):
            return
        expiry_ms = self.expiry_ms.get(token)
        if expiry_ms is None:
            raise Refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid.")
        if expiry_ms <= self.account.now_ms():
            raise Refusal(
                401,
                "EXPIRED_AUTHENTICATION",
                "The OAuth token used to make this call has expired. Use the refresh token to get a new one.",
            )

    def check_developer(self, request: Request) -> None:
        """Refuse webhook configuration without the developer key (``hapikey``) or a valid token."""
        if request.one("hapikey") != self.account.settings.developer_key:
            self.check(request)

    def dump(self) -> Json:
        return {"expiry_ms": dict(self.expiry_ms), "refresh_revoked": self.refresh_revoked}

    def load(self, saved: Json) -> None:
        self.expiry_ms = dict(saved["expiry_ms"])
        self.refresh_revoked = bool(saved["refresh_revoked"])


def create_token(account: Account, request: Request) -> Reply:
    """Exchange the refresh token for an access token; the refresh token stays the same."""
    form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    settings = account.settings
    if form.get("grant_type") != "refresh_token":
        raise Refusal(400, "BAD_GRANT_TYPE", "unknown or unsupported grant_type")
    if (form.get("client_id"), form.get("client_secret")) != (settings.client_id, settings.client_secret):
        raise Refusal(400, "BAD_CLIENT_ID", "missing or unknown client id or secret")
    if form.get("refresh_token") != settings.refresh_token or account.tokens.refresh_revoked:
        raise Refusal(400, "BAD_REFRESH_TOKEN", "missing or unknown refresh token")
    body = {
        "access_token": account.tokens.issue(),
        "refresh_token": settings.refresh_token,
        "expires_in": settings.access_token_ttl_s,
        "token_type": "bearer",
    }
    return Reply(200, body)


def get_access_token(account: Account, request: Request, token: str) -> Reply:
    account.tokens.check_token(token)
    left_ms = account.tokens.expiry_ms.get(token, account.now_ms()) - account.now_ms()
    return Reply(
        200,
        {
            **_owner(account, token, "access"),
            "app_id": account.settings.app_id,
            "expires_in": left_ms // 1000,
        },
    )


def get_refresh_token(account: Account, request: Request, token: str) -> Reply:
    if token != account.settings.refresh_token or account.tokens.refresh_revoked:
        raise Refusal(404, "OBJECT_NOT_FOUND", "refresh token not found")
    return Reply(200, {**_owner(account, token, "refresh"), "client_id": account.settings.client_id})


def delete_refresh_token(account: Account, request: Request, token: str) -> Reply:
    get_refresh_token(account, request, token)
    account.tokens.refresh_revoked = True
    account.touch()
    return Reply(204)


def _owner(account: Account, token: str, token_type: str) -> Json:
    return {
        "token": token,
        "user": "sandbox@example.com",
        "hub_domain": "sandbox.example.com",
        "hub_id": account.settings.portal_id,
        "user_id": USER_ID,
        "scopes": list(SCOPES),
        "token_type": token_type,
    }
