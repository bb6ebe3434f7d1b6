"""What schemathesis does besides, in the process that it runs in: who asks, and what a schema cannot say."""

from __future__ import annotations

import itertools
import os
from typing import Final

import schemathesis
from schemathesis import checks
from schemathesis.specs.openapi.checks import RejectedPositiveData

from tests.controller.api.schemathesis_values import LOCK

#: What a request may break although it fits the schema, by the code of the refusal, and why no schema says it.
UNSAID: Final = {
    "order_ends_before_start": "it compares two fields",
    "order_ended_already": "it compares with the time now",
    "order_stated_twice": "it compares the ids of a list",
    "order_without_power": "it depends on what the meters see now",
    "order_ramp_too_slow": "it depends on what the node draws now, and compares it with another field",
}

_numbers: Final = itertools.count(1)
_positive = checks.positive_data_acceptance


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Let every request come from another peer, through a proxy that is trusted: how often one may ask is not the subject here."""
    number = next(_numbers)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """A valid token: of the role that the run is for, or where it is for none, of one that the operation is for."""

    def get(self, case, context) -> str | None:
        needs = context.operation.definition.raw.get("security", [])
        roles = [role for need in needs for held in need.values() for role in held]
        return os.environ.get("SCHEMA_ROLE") or (min(roles) if roles else None)

    def set(self, case, data, context) -> None:
        case.headers["Authorization"] = f"Bearer {data}-secret"


@schemathesis.hook.apply_to(path_regex="^/api/v1/locks")
def map_body(context, body):
    """Let every other body that names a device or node be about the one that is locked, by the person who did that.

    One whose names break the schema stays as it is: it must be refused.
    """
    texts = isinstance(body, dict) and all(isinstance(body.get(name), str) and _is_name(body[name]) for name in LOCK)
    return body | LOCK if texts and len(body["subject"] + body["by"]) % 2 else body


def _is_name(text: str) -> bool:
    return 0 < len(text) < 64 and text.isprintable() and text == text.strip()


@schemathesis.check
def what_fits_is_taken(ctx, response, case) -> bool | None:
    """As the built-in positive_data_acceptance, which it stands for; but what no schema can say may be refused, by a code that says so."""
    try:
        return _positive(ctx, response, case)
    except RejectedPositiveData:
        codes = {reason["code"] for reason in response.json()["error"]["reasons"]}
        if response.status_code == 422 and codes and codes <= set(UNSAID):
            return None
        raise
