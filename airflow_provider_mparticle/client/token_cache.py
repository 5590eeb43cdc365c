"""
The tokens of this process: one for each set of credentials, kept until shortly before its end.

A login takes 1 to 3 s and its token lives about 8 h. The first call that needs a token logs in, and the others wait for
it. The drivers hold the locks; this module holds the tokens. Source: Platform API overview.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from airflow_provider_mparticle.client.config import Credentials
from airflow_provider_mparticle.client.errors import AuthenticationError
from airflow_provider_mparticle.client.messages import Token

# Renew this long before the end, so that no call starts with a token that dies on its way ...
TOKEN_LEEWAY_S = 120.0
# ... but never give up more than a tenth of a token's life, or a short-lived one would be minted for every call.
LEEWAY_SHARE = 0.1

# A thousand waiting tasks whose credentials were taken away ask once, not a thousand times: that could lock them out.
REFUSAL_KEPT_S = 10.0


@dataclass
class _Kept:
    value: str = field(repr=False)
    renew_at: float


_tokens: dict[Credentials, _Kept] = {}
_refusals: dict[Credentials, tuple[AuthenticationError, float]] = {}


def kept(credentials: Credentials, refused: str | None = None) -> str | None:
    """Return the token to use, or None if there is none, it is about to end, or it is the one just *refused*."""
    token = _tokens.get(credentials)
    if token is None or token.value == refused or time.monotonic() >= token.renew_at:
        return None
    return token.value


def keep(credentials: Credentials, token: Token) -> str:
    """Keep a token that was minted just now."""
    usable_s = token.lifetime_s - min(TOKEN_LEEWAY_S, LEEWAY_SHARE * token.lifetime_s)
    _tokens[credentials] = _Kept(token.value, time.monotonic() + usable_s)
    return token.value


def refusal(credentials: Credentials) -> AuthenticationError | None:
    """Return the error of a login that was refused a moment ago, for those who would ask the same again."""
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


# A forked task process starts without its parent's tokens, as without its locks.
os.register_at_fork(after_in_child=forget)
