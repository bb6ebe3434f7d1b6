"""What the grid authority sends as an order."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    WithJsonSchema,
)

from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.journal.chain import canonical
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.texts.wrong_values import wrong_value

_PATTERN: Final = (
    r"^(19[7-9][0-9]|2[0-9]{3})-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-][0-2][0-9]:[0-5][0-9])$"
)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
#: What stands beside the orders under their path: no order may have such an id.
NO_ORDER: Final = ("statement", "confirmation")
#: Orders of one statement: more than an issuer's quota.
MAX_STATED: Final = 2000
_TIME = "a time by RFC 3339 with its offset, like 2026-11-21T18:00:00Z"
_YEARS = "a time between the years 1970 and 3000"


def _instant(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(_TIME)
    try:
        written = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(_TIME) from error
    if not 1970 <= written.year < 3000:
        raise ValueError(_YEARS)
    return written.astimezone(UTC)


def _whole(value: object) -> object:
    """Return a whole number as one: some libraries write 2 as 2.0, and JSON makes no difference."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _PATTERN}),
]


def _unsigned(watts: float) -> float:
    """Return a zero without its sign: some libraries write -0.0, and it is the same limit."""
    return watts + 0.0


_Model = TypeVar("_Model", bound=BaseModel)
#: What a schema says of an order's size: one is given, and the others are left out or null.
_SIZES: Final = ("limit_w", "limit_percent", "reduce_by_w")
_ONE_SIZE: Final[list[JsonValue]] = [{"required": [size], "properties": {size: {"type": "number"}}} for size in _SIZES]


class _Terms(BaseModel):
    """What an order asks for: `limit_w`, `limit_percent` or `reduce_by_w`, on a node, from when, until when, how fast."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, json_schema_extra={"oneOf": _ONE_SIZE}
    )

    limit_w: Annotated[float, Field(ge=0), AfterValidator(_unsigned)] | None = Field(
        None, description="the node's power is to stay at or below"
    )
    limit_percent: Annotated[float, Field(ge=0, le=100), AfterValidator(_unsigned)] | None = Field(
        None, description="the same in percent of the site's contract"
    )
    reduce_by_w: Annotated[float, Field(gt=0)] | None = Field(
        None, description="below the power when the order comes into force; a limit from then on"
    )
    node: str | None = Field(None, description="a node of the site; default: the site itself")
    starts_at: Instant | None = Field(None, description="default: at once")
    ends_at: Instant | None = Field(None, description="default: until released")
    ramp_w_per_s: Annotated[float, Field(gt=0)] | None = Field(None, description="default: as fast as the site can")
    sent_at: Instant | None = Field(
        None,
        description="when it is sent, anew each time: it vouches for the daemon's wall clock, and is no part of the order",
    )


_Revision = Annotated[int, Field(ge=1, le=1_000_000_000), BeforeValidator(_whole)]


def _own(order_id: str) -> str:
    if order_id in NO_ORDER:
        raise ValueError(f"any other, for all orders are stated by {order_id}")
    return order_id


class OrderRequest(_Terms):
    """A curtailment order as it is sent."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$",
            description="chosen by the sender",
            json_schema_extra={"not": {"enum": [*NO_ORDER]}},
        ),
        AfterValidator(_own),
    ]
    revision: _Revision = Field(1, description="counts the changes of the order")

    @classmethod
    def parse(cls, body: bytes, issuer: str) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        return _parsed(cls, body, issuer)


class OrderChange(_Terms):
    """The next revision of an order, whole: what it does not say is as the default has it."""

    revision: _Revision = Field(description="one more than the present one")

    @classmethod
    def parse(cls, body: bytes, issuer: str) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        return _parsed(cls, body, issuer)

    def of(self, order_id: str) -> OrderRequest:
        """Return it as a request for the order of that id."""
        return OrderRequest.model_construct(id=order_id, **self.model_dump())


class Statement(BaseModel):
    """All orders of its sender that are in force, perhaps none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    orders: Annotated[
        tuple[OrderRequest, ...], Field(strict=False, max_length=MAX_STATED, description="every order that is in force")
    ]
    sent_at: Instant | None = Field(None, description="when it is sent: it vouches for the daemon's wall clock")

    @classmethod
    def parse(cls, body: bytes, issuer: str) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        statement = _parsed(cls, body, issuer)
        ids = Counter(order.id for order in statement.orders)
        if twice := sorted(order_id for order_id, count in ids.items() if count > 1):
            reasons = (Reason(Code.ORDER_STATED_TWICE, issuer, {"order": order_id}) for order_id in twice)
            raise OrderRefused(Cause.INVALID, *reasons)
        return statement


class Confirmation(BaseModel):
    """An operator's word that no order is missing at a site that no issuer gives orders to."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, description="why the operator knows")]

    @classmethod
    def parse(cls, body: bytes, by: str) -> Self:
        """Read a JSON body; OrderRefused with every reason."""
        return _parsed(cls, body, by)


def _parsed(model: type[_Model], body: bytes, issuer: str) -> _Model:
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        reasons = (_reason(model, each, issuer) for each in error.errors(include_url=False))
        raise OrderRefused(Cause.INVALID, *reasons) from error
    if twice := sorted(_twice(body)):
        raise OrderRefused(Cause.INVALID, *(Reason(Code.ORDER_FIELD_TWICE, issuer, {"field": key}) for key in twice))
    return parsed


def _twice(body: bytes) -> set[str]:
    """Return the keys that stand twice in one object of a JSON text."""
    found: set[str] = set()

    def look(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(key for key, _ in pairs)
        found.update(key for key, count in counts.items() if count > 1)

    json.loads(body, object_pairs_hook=look)
    return found


def _reason(model: type[BaseModel], error: Mapping[str, Any], issuer: str) -> Reason:
    wrong = wrong_value(error)
    if error["type"] == "extra_forbidden":
        fields = (model if len(error["loc"]) == 1 else OrderRequest).model_fields
        return Reason(Code.ORDER_FIELD_UNKNOWN, issuer, {"field": wrong.field, "allowed": ", ".join(fields)})
    return Reason(Code.ORDER_FIELD_INVALID, issuer, wrong._asdict())


def content_hash(request: OrderRequest, site: Site) -> str:
    """Return the hash of what a request means: the same order written in two ways is the same order."""
    meaning = request.model_dump(exclude={"node", "starts_at", "ends_at", "sent_at", "revision", "limit_percent"})
    if request.limit_percent is not None:
        meaning["limit_percent"] = request.limit_percent
    meaning |= {
        "node": site.tree.ids[0] if request.node is None else request.node,
        "starts_utc_s": request.starts_at and request.starts_at.timestamp(),
        "ends_utc_s": request.ends_at and request.ends_at.timestamp(),
    }
    return hashlib.sha256(canonical(meaning).encode()).hexdigest()
