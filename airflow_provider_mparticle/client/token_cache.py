"""
Keeps the tokens of this process, one for each set of credentials, until shortly before they expire.

A login takes 1 to 3 s, and its token is valid for about 8 h. The first call that needs a token logs in, and the others
wait for it. The drivers hold the locks for that. Source: Platform API overview.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from airflow_provider_mparticle.client.config import Credentials
from airflow_provider_mparticle.client.errors import AuthenticationError
from airflow_provider_mparticle.client.messages import Token

# A token is renewed this long before it expires, so that it does not expire while a call is sent. ...
TOKEN_LEEWAY_S = 120.0
# ... But at most a tenth of its lifetime before, because a short-lived token would otherwise be renewed for every call.
LEEWAY_SHARE = 0.1

# A refused login is not repeated within this time. Otherwise a thousand waiting tasks with revoked credentials would
# log in a thousand times, and mParticle might lock the account.
REFUSAL_KEPT_S = 10.0


@dataclass
class _Kept:
    value: str = field(repr=False)
    renew_at: float


_tokens: dict[Credentials, _Kept] = {}
_refusals: dict[Credentials, tuple[AuthenticationError, float]] = {}


def kept(credentials: Credentials, refused: str | None = None) -> str | None:
    """Return the token to use, or None if none is kept, it is about to expire, or mParticle has just *refused* it."""
    token = _tokens.get(credentials)
    if token is None or token.value == refused or time.monotonic() >= token.renew_at:
        return None
    return token.value


def keep(credentials: Credentials, token: Token) -> str:
    """Keep a new token, and return its value."""
    usable_s = token.lifetime_s - min(TOKEN_LEEWAY_S, LEEWAY_SHARE * token.lifetime_s)
    _tokens[credentials] = _Kept(token.value, time.monotonic() + usable_s)
    return token.value


def refusal(credentials: Credentials) -> AuthenticationError | None:
    """Return the error of a login with these credentials that was refused in the last seconds, or None."""
    error, forget_at = _refusals.get(credentials, (None, 0.0))
    if error is None or time.monotonic() >= forget_at:
        return None
    return AuthenticationError(str(error), **error.facts())


def keep_refusal(credentials: Credentials, error: AuthenticationError) -> None:
    """Keep the error of a login that was refused just now."""
    _refusals[credentials] = error, time.monotonic() + REFUSAL_KEPT_S


def forget() -> None:
    """Forget every token and every refusal."""
    _tokens.clear()
    _refusals.clear()


# A forked task process starts without the tokens of its parent.
os.register_at_fork(after_in_child=forget)
