"""What the grid authority sends as an order, and every reason to refuse it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from controller.core.site import Site
from controller.daemon.journal.chain import canonical
from drivers.errors import Refused
from drivers.quantities import format_power

#: A limit or a cut of more than this many times the contract is taken for a wrong unit.
ABSURD: Final = 10.0

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_YEARS = "allowed is a time between the years 1970 and 3000"


class Cause(StrEnum):
    """Why an order or a release is refused."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    FULL = "full"


class OrderRefused(Refused):
    """Nothing changed; `reasons` names every reason."""

    def __init__(self, cause: Cause, *reasons: str) -> None:
        """Refuse for one cause and all `reasons`."""
        super().__init__("; ".join(reasons))
        self.cause = cause
        self.reasons = reasons


def _instant(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("allowed is a time by RFC 3339 with its offset, like 2026-11-21T18:00:00Z")
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(_YEARS) from error
    if not 1970 <= instant.year < 3000:
        raise ValueError(_YEARS)
    return instant


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]


class OrderRequest(BaseModel):
    """A curtailment order as it is sent: `limit_w` or `reduce_by_w`, on a node, from when, until when, how fast."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$", description="chosen by the sender")]
    limit_w: Annotated[float, Field(ge=0)] | None = Field(None, description="the node's power is to stay at or below")
    reduce_by_w: Annotated[float, Field(gt=0)] | None = Field(None, description="below the power at acceptance")
    node: str | None = Field(None, description="a node of the site; default: the site itself")
    starts_at: Instant | None = Field(None, description="default: at once")
    ends_at: Instant | None = Field(None, description="default: until released")
    ramp_w_per_s: Annotated[float, Field(gt=0)] | None = Field(None, description="default: as fast as the site can")

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        try:
            request = cls.model_validate_json(body)
            json.loads(body, object_pairs_hook=_without_duplicates)
        except ValidationError as error:
            raise OrderRefused(Cause.INVALID, *map(_reason, error.errors(include_url=False))) from error
        return request


def _without_duplicates(pairs: list[tuple[str, object]]) -> None:
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise OrderRefused(Cause.INVALID, *(f"{key}: stands twice" for key in twice))


def _reason(error: Mapping[str, Any]) -> str:
    where = ".".join(map(str, error["loc"])) or "body"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def content_hash(request: OrderRequest, site: Site) -> str:
    """Return the hash of what a request means: the same order written in two ways is the same order."""
    meaning = request.model_dump(exclude={"node", "starts_at", "ends_at"})
    meaning |= {
        "node": site.tree.ids[0] if request.node is None else request.node,
        "starts_utc_s": request.starts_at and request.starts_at.timestamp(),
        "ends_utc_s": request.ends_at and request.ends_at.timestamp(),
    }
    return hashlib.sha256(canonical(meaning).encode()).hexdigest()


def objections(
    request: OrderRequest, site: Site, *, power_w: Sequence[float | None], utc_s: float, utc_trusted: bool
) -> tuple[str, ...]:
    """Return every reason why a well-formed request cannot be an order of this site; empty where it can."""
    node = site.tree.ids[0] if request.node is None else request.node
    return (
        *_reasons_of_node(node, request, site, power_w),
        *_reasons_of_size(request, site.rules.contract_w),
        *_reasons_of_time(request, utc_s, utc_trusted),
    )


def _reasons_of_node(node: str, request: OrderRequest, site: Site, power_w: Sequence[float | None]) -> list[str]:
    if node not in site.tree.ids:
        return [f"node: there is no node {node!r}, allowed is one of {', '.join(site.tree.ids)}"]
    if request.reduce_by_w is not None and trusted_w(power_w, site.tree.ids.index(node)) is None:
        return [f"reduce_by_w: there is no trusted power of {node} now; give a limit_w"]
    return []


def trusted_w(power_w: Sequence[float | None], node: int) -> float | None:
    """Return the trusted power of a node, None without one."""
    watts = power_w[node] if power_w else None
    return watts if watts is not None and math.isfinite(watts) else None


def _reasons_of_size(request: OrderRequest, contract_w: float) -> list[str]:
    sizes = {"limit_w": request.limit_w, "reduce_by_w": request.reduce_by_w}
    given = {name: watts for name, watts in sizes.items() if watts is not None}
    reasons = [
        f"{name}: {format_power(watts)} is absurd for a site with a contract of {format_power(contract_w)}"
        for name, watts in given.items()
        if watts > ABSURD * contract_w
    ]
    if len(given) != 1:
        reasons.append("limit_w, reduce_by_w: exactly one of them is needed")
    return reasons


def _reasons_of_time(request: OrderRequest, utc_s: float, utc_trusted: bool) -> list[str]:
    if request.ends_at is None:
        return []
    ends_utc_s = request.ends_at.timestamp()
    if request.starts_at is not None and ends_utc_s <= request.starts_at.timestamp():
        return ["ends_at: it ends before it starts"]
    # By a clock in doubt the order may still be needed, so only a trusted one calls it past.
    if utc_trusted and ends_utc_s <= utc_s:
        return ["ends_at: it has ended already"]
    return []
