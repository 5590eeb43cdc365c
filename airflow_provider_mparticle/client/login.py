"""
Gets an access token: the one that this process keeps, or a new one by a login.

The functions are generators without I/O, as in `exchange`. The driver holds a lock, so that one login runs at a time.
Source: Platform API overview, "Authentication".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Generator
from typing import Any

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import AuthenticationError, MParticleError, UnreadableAnswerError
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, Token, TokenMinted, place
from airflow_provider_mparticle.client.refusals import login_refusal
from airflow_provider_mparticle.client.storable import read_json

JSON_ANSWER = {"Accept": "application/json"}
JSON_BOTH_WAYS = {**JSON_ANSWER, "Content-Type": "application/json"}


def obtain_token(
    config: ApiConfig, refused: str | None = None
) -> Generator[HttpRequest | TokenMinted, HttpResponse | None, str]:
    """
    Return a valid token: yield the request of a login, receive its response, and yield `TokenMinted` for a new token.

    The driver must hold the login lock meanwhile, and throw its errors into the generator: they then say that the call
    itself was not sent, and a refused login is not repeated for a few seconds.

    :param config: The credentials, and the address of mParticle's login.
    :param refused: The token that mParticle has just refused with 401, or None.
    :raises AuthenticationError: The login was refused, now or in the last seconds.
    :raises MParticleError: The login could not be carried out.
    """
    credentials = config.credentials
    if token := token_cache.kept(credentials, refused):
        return token
    if refusal := token_cache.refusal(credentials):
        raise refusal
    try:
        minted = yield from login(config)
    except MParticleError as error:
        if error.may_have_executed:  # true of the login at most: the call itself was not sent
            error.may_have_executed = False
        if isinstance(error, AuthenticationError):
            token_cache.keep_refusal(credentials, error)
        raise
    yield TokenMinted(minted.value)
    return token_cache.keep(credentials, minted)


def login(config: ApiConfig) -> Generator[HttpRequest, Any, Token]:
    """
    Log in: yield the request, receive its response, return the new token.

    :raises AuthenticationError: The login was refused.
    :raises UnreadableAnswerError: The answer has no usable token.
    """
    credentials = config.credentials
    response: HttpResponse = yield HttpRequest(
        "POST",
        credentials.token_url,
        params={},
        headers=JSON_BOTH_WAYS,
        body=json.dumps(
            {
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "audience": credentials.audience,
                "grant_type": "client_credentials",
            }
        ).encode(),
    )
    if not response.is_good:
        raise login_refusal(response, config)
    minted = None if response.flaw else _minted(response.body)
    if minted is None:
        # The answer may have a token in an unknown shape, so none of it is shown.
        raise UnreadableAnswerError(
            f"The login of {config.origin} was answered with {response.status}, but without a readable "
            f"access_token and expires_in. Check token_url: {place(credentials.token_url)}",
            status=response.status,
        )
    return minted


# A header can hold any visible ASCII character. RFC 6750, "Authorization Request Header Field", allows fewer.
_TOKEN = re.compile(r"[!-~]+")


def _minted(body: bytes) -> Token | None:
    """Return the token in the answer to a login, or None if the answer has no usable token."""
    try:
        answer = read_json(body)
        value, lifetime = answer["access_token"], answer["expires_in"]
        lifetime_s = math.nan if isinstance(lifetime, bool) else float(lifetime)
        is_usable = _TOKEN.fullmatch(value) and math.isfinite(lifetime_s)
    except (KeyError, TypeError, ValueError):
        return None
    return Token(value, lifetime_s) if is_usable else None
