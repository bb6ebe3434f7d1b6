"""One meter behind HTTP as the site has it: its address, and who asks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from drivers.meters.http.address import Url
from drivers.meters.payloads.reading import PayloadMeter
from drivers.transports.digest import DigestAuth
from drivers.transports.http import HttpLine
from drivers.transports.tls import PinnedTls

#: How a login is said: in a header as it is, as the answer to a challenge, or in the address, as Tasmota wants it.
LoginForm = Literal["basic", "digest", "query"]

_FRESH: Final[Mapping[str, str]] = {"Cache-Control": "no-cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLogin:
    """Who asks: a bearer token, or a user with a password, said as `form` has it. Neither is shown."""

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str = field(default="", repr=False)
    form: LoginForm = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTls:
    """What is trusted: what `ca` has signed (PEM), or the one certificate with this SHA-256."""

    ca: Path | None = None
    sha256: str | None = None

    def pinned(self) -> PinnedTls:
        """Return it as a connection takes it; raises ConfigError for a file that is no certificate."""
        return PinnedTls.by_sha256(self.sha256 or "") if self.ca is None else PinnedTls.by_ca(self.ca)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMeter:
    """One meter: `payload` says what its answers mean. `timeout_s`: for a request with all that it needs."""

    payload: PayloadMeter
    url: Url
    poll_s: float = 1.0
    timeout_s: float = 0.5
    login: HttpLogin = field(default_factory=HttpLogin)
    tls: HttpTls | None = None

    @property
    def place(self) -> str:
        """What is asked for, without what stands behind a question mark: that may hold a secret."""
        return (self.url.path or self.payload.profile.path or "/").partition("?")[0]

    @property
    def path(self) -> str:
        """What is asked for; with the login, where that is said so, and so never shown."""
        path = self.url.path or self.payload.profile.path or "/"
        if self.login.username is None or self.login.form != "query":
            return path
        said = f"user={quote(self.login.username, safe='')}&password={quote(self.login.password, safe='')}"
        return f"{path}{'&' if '?' in path else '?'}{said}"

    @property
    def headers(self) -> Mapping[str, str]:
        """What is said in every request: who asks, and that no copy is wanted that something on the way has kept."""
        if self.login.token is not None:
            return {**_FRESH, "Authorization": f"Bearer {self.login.token}"}
        if self.login.username is None or self.login.form != "basic":
            return _FRESH
        both = b64encode(f"{self.login.username}:{self.login.password}".encode()).decode()
        return {**_FRESH, "Authorization": f"Basic {both}"}

    def line(self) -> HttpLine:
        """Return a line to it; raises ConfigError for a file that is no certificate."""
        user = self.login.username
        digest = DigestAuth(user, self.login.password) if user is not None and self.login.form == "digest" else None
        tls = self.tls.pinned() if self.tls is not None else None
        return HttpLine(self.url.host, self.url.port, timeout_s=self.timeout_s, digest=digest, tls=tls)
