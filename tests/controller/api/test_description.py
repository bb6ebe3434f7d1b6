"""The document of the interface: every answer, every role, and of a body all that a schema can say."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import pytest

from controller.api.app import create_app
from controller.daemon.access import Role
from tests.controller.api.schemathesis_runs import operations
from tests.controller.api.server import World, make_service

ORDERS = "/api/v1/orders"


@pytest.fixture(scope="module")
def document(untouched) -> dict:
    with untouched.client(None) as http:
        return http.get("/api/openapi.json").json()


def roles_of(operation: dict) -> set[str]:
    return {role for need in operation.get("security", ()) for roles in need.values() for role in roles}


def test_it_names_what_every_operation_may_be_answered(document):
    error = {"$ref": "#/components/schemas/ErrorBody"}
    for name, operation in operations(document):
        answers, roles = operation["responses"], roles_of(operation)
        wanted = (
            {"200", "429"} | ({"401"} if roles else set()) | ({"403"} if roles not in (set(), set(Role)) else set())
        )
        wanted |= {"408", "413", "422"} if "requestBody" in operation else set()
        assert wanted <= set(answers), name
        shapes = {status: answers[status]["content"]["application/json"]["schema"] for status in wanted - {"200"}}
        assert all(shape == error for shape in shapes.values()), name


def test_it_names_the_roles_that_may_ask_each_as_enough_by_itself(document, untouched):
    assert document["paths"][ORDERS]["post"]["security"] == [
        {"HTTPBearer": ["authority"]},
        {"HTTPBearer": ["operator"]},
    ]
    for name, operation in operations(document):
        method, path = name.split(" ")
        # A stream has no end.
        asked = bool(roles_of(operation)) and "text/event-stream" not in operation["responses"]["200"]["content"]
        for role in Role if asked else ():
            with untouched.client(role) as http:
                # A body that is empty, and names that there are not, change nothing.
                answer = http.request(method, path.format_map({"order_id": "none", "node": "none", "meter": "none"}))
            assert (answer.status_code == 403) == (role not in roles_of(operation)), (name, role)
            assert str(answer.status_code) in operation["responses"], (name, role)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (ORDERS, {"GET", "POST"}),
        (f"{ORDERS}/o-1", {"GET", "PUT"}),
        (f"{ORDERS}/o-1/release", {"POST"}),
        (f"{ORDERS}/statement", {"POST"}),
        (f"{ORDERS}/confirmation", {"POST"}),
        ("/api/v1/locks", {"GET", "POST"}),
    ],
)
def test_allow_names_every_method_of_a_path(untouched, path, methods):
    with untouched.client() as http:
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"} - methods:
            answer = http.request(method, path)
            assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, methods), method


@pytest.mark.parametrize("name", ["statement", "confirmation"])
def test_no_order_is_named_after_what_stands_beside_the_orders(untouched, name):
    with untouched.client() as http:
        answer = http.post(ORDERS, json={"id": name, "limit_w": 1.0})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [
        f'id: found "{name}", allowed is any other, for all orders are stated by {name}'
    ]


SIZED = {"id": "a", "limit_w": 40e3}


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        (SIZED, True),
        (SIZED | {"revision": 1.0}, True),
        (SIZED | {"revision": 1.5}, False),
        (SIZED | {"reduce_by_w": None, "limit_percent": None}, True),
        (SIZED | {"reduce_by_w": 1.0}, False),
        ({"id": "a"}, False),
        ({"id": "a", "limit_w": None}, False),
        (SIZED | {"limit_w": 1e6}, True),
        (SIZED | {"limit_w": 1_000_001.0}, False),
        (SIZED | {"node": "feeder"}, True),
        (SIZED | {"node": "moon"}, False),
        (SIZED | {"id": "statement"}, False),
        (SIZED | {"starts_at": "1970-01-01T00:00:00+14:00"}, True),
        (SIZED | {"starts_at": "2999-12-31T23:59:59-14:00"}, True),
        (SIZED | {"starts_at": "1969-12-31T23:59:59-14:00"}, False),
        (SIZED | {"starts_at": "3000-01-01T00:00:00Z"}, False),
        (SIZED | {"starts_at": "2030-01-01T00:00:00"}, False),
        (SIZED | {"starts_at": "2030-01-01t00:00:00.123456789z"}, True),
        (SIZED | {"starts_at": "2030-01-01T00:00:60Z"}, False),
    ],
)
def test_what_the_schema_of_an_order_says_is_what_is_taken(document, running, body, fits):
    schema = document["paths"][ORDERS]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert jsonschema.Draft202012Validator(schema).is_valid(body) == fits
    with running.client() as http:
        assert http.post(ORDERS, json=body).status_code == (200 if fits else 422)


def test_the_most_that_an_order_is_believed_to_mean_follows_a_contract_that_is_reloaded(tmp_path):
    service, journal = make_service(tmp_path / "journal.db", World())
    app, rules = create_app(service), service.site.rules

    def most_w() -> set[float]:
        paths = app.openapi()["paths"]
        body = paths[ORDERS]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        listed = paths[f"{ORDERS}/statement"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        each = listed["properties"]["orders"]["items"]["properties"]
        return {part["limit_w"]["anyOf"][0]["maximum"] for part in (body, each)}

    assert most_w() == {10.0 * rules.contract_w}
    service.intake.take_over(replace(service.site, rules=replace(rules, contract_w=2.0 * rules.contract_w)))
    assert most_w() == {20.0 * rules.contract_w}
    journal.close()
