"""Answers to a registry's challenge: Basic, or a Bearer token from its token service.

As https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/ have it.
"""

import base64
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from deploy.credentials import Credentials

FetchToken = Callable[[str, str, Mapping[str, str], Any], dict[str, Any]]
"""(method, URL, headers, form) -> the token service's JSON."""

# Tokens are let go this many seconds before they end, for clocks and the request's way.
_MARGIN_SECONDS = 10.0
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Answers:
    """The Authorization headers of one registry, kept between requests and threads."""

    def __init__(
        self,
        credentials: Credentials | None,
        fetch: FetchToken,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._basic = False
        self._tokens: dict[str, tuple[str, float]] = {}

    def header(self, scope: str) -> dict[str, str]:
        """What to send at once: nothing until a challenge has told the scheme."""
        with self._lock:
            if self._basic:
                return self._basic_header()
            token, ends = self._tokens.get(scope, ("", 0.0))
        return {"Authorization": f"Bearer {token}"} if token and self._clock() < ends else {}

    def answer(self, challenge: str, scope: str) -> dict[str, str]:
        """The header that answers a WWW-Authenticate; empty when there is nothing to answer with."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._credentials and self._credentials.user:
            with self._lock:
                self._basic = True
            return self._basic_header()
        if scheme.lower() != "bearer":
            return {}
        token, seconds = self._token(dict(_PARAMETER.findall(rest)), scope)
        if not token:
            return {}
        with self._lock:
            self._tokens[scope] = (token, self._clock() + seconds - _MARGIN_SECONDS)
        return {"Authorization": f"Bearer {token}"}

    def _token(self, challenge: Mapping[str, str], scope: str) -> tuple[str, float]:
        realm = challenge.get("realm", "")
        query = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or scope}
        asked = {key: value for key, value in query.items() if value}
        credentials = self._credentials
        if credentials and credentials.identity_token:
            form = {
                **asked,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": "jarship",
            }
            found = self._fetch("POST", realm, {}, form)
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
            found = self._fetch("GET", url, self._basic_header(), None)
        # The specification's default, when the service names no lifetime, is 60 seconds.
        return str(found.get("token") or found.get("access_token") or ""), float(
            found.get("expires_in") or 60
        )

    def _basic_header(self) -> dict[str, str]:
        if not self._credentials or not self._credentials.user:
            return {}
        pair = f"{self._credentials.user}:{self._credentials.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}
