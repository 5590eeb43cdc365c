"""
Simulates the login, which issues a bearer token for client credentials.

Source: Warehouse Sync API overview, "Authentication", "Create a bearer token" and "Using your Bearer Token".

Assumed, the documentation does not say:
- a body that is not declared as JSON is refused with 415, a body that is not JSON with 400;
- an unknown grant type or a missing field is refused with 400, as RFC 6749 section 5.2 does;
- when the secret is rotated, tokens of the old secret are refused.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.http_messages import Answer, JsonObject, Refusal, Request, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

# The same for every data region; a regional audience is refused (API overview, "Authentication").
AUDIENCE = "https://api.mparticle.com"


class Tokens:
    """Credentials and the tokens issued for them. Not thread-safe: the caller holds the lock."""

    def __init__(self, client_id: str, client_secret: str, lifetime_s: float, clock: Callable[[], float]) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.lifetime_s = lifetime_s
        self.minted: list[str] = []  # every token that was issued, so that a test can search logs for them
        self._clock = clock
        self._ends: dict[str, float] = {}

    def login(self, request: Request) -> Answer:
        """Answer a request to the token endpoint."""
        refusal = _malformed(request) or self._denied(request.json_object())
        if refusal:
            status, error, description = refusal
            return json_answer({"error": error, "error_description": description}, status)
        return json_answer(self._mint())

    def check(self, request: Request) -> None:
        """Refuse a call without a valid token (Platform API overview, "Status codes": 401)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._ends.get(token.strip(), 0.0) <= self._clock():
            raise Refusal(401, "Unauthorized: the bearer token is missing, unknown or has expired.")

    def expire_all(self) -> None:
        """Refuse every token that was issued so far."""
        self._ends.clear()

    def rotate(self, client_id: str | None, client_secret: str) -> None:
        """Replace the credentials. The old credentials and all tokens are refused from now on."""
        self.client_id = client_id or self.client_id
        self.client_secret = client_secret
        self.expire_all()

    def _denied(self, body: JsonObject) -> tuple[int, str, str] | None:
        if body.get("grant_type") != "client_credentials":
            return 400, "unsupported_grant_type", "grant_type must be client_credentials."
        if body.get("audience") != AUDIENCE:
            return 403, "access_denied", f"The audience must be {AUDIENCE} in every data region."
        if (body.get("client_id"), body.get("client_secret")) != (self.client_id, self.client_secret):
            return 401, "access_denied", "Unauthorized: client_id or client_secret is wrong."
        return None

    def _mint(self) -> JsonObject:
        token = secrets.token_urlsafe(32)
        self._ends[token] = self._clock() + self.lifetime_s
        self.minted.append(token)
        whole = float(self.lifetime_s).is_integer()
        expires_in = int(self.lifetime_s) if whole else self.lifetime_s
        return {"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}


def _malformed(request: Request) -> tuple[int, str, str] | None:
    if not request.is_json:
        return 415, "invalid_request", "Send a JSON body with 'Content-Type: application/json'."
    if not isinstance(request.json_or_none(), dict):
        return 400, "invalid_request", "The request body is not a JSON object."
    return None
