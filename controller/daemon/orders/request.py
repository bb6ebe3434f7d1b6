"""What the grid authority sends as an order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.journal.chain import canonical
from controller.daemon.orders.refusal import Cause, OrderRefused

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_YEARS = "allowed is a time between the years 1970 and 3000"


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
    def parse(cls, body: bytes, issuer: str) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        try:
            request = cls.model_validate_json(body)
        except ValidationError as error:
            reasons = (_reason(each, issuer) for each in error.errors(include_url=False))
            raise OrderRefused(Cause.INVALID, *reasons) from error
        keys = [key for key, _ in json.loads(body, object_pairs_hook=list)]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise OrderRefused(
                Cause.INVALID, *(Reason(Code.ORDER_FIELD_TWICE, issuer, {"field": key}) for key in twice)
            )
        return request


def _reason(error: Mapping[str, Any], issuer: str) -> Reason:
    where = ".".join(map(str, error["loc"])) or "body"
    return Reason(
        Code.ORDER_FIELD_INVALID, issuer, {"field": where, "error": error["msg"].removeprefix("Value error, ")}
    )


def content_hash(request: OrderRequest, site: Site) -> str:
    """Return the hash of what a request means: the same order written in two ways is the same order."""
    meaning = request.model_dump(exclude={"node", "starts_at", "ends_at"})
    meaning |= {
        "node": site.tree.ids[0] if request.node is None else request.node,
        "starts_utc_s": request.starts_at and request.starts_at.timestamp(),
        "ends_utc_s": request.ends_at and request.ends_at.timestamp(),
    }
    return hashlib.sha256(canonical(meaning).encode()).hexdigest()
