"""What is refused before anything is connected."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import ua

from drivers.errors import ConfigError
from drivers.meters.opcua.points import Security, Server, Step, parse_node
from tests.drivers.meters.opcua.serving import point


def test_a_unit_a_node_or_a_policy_that_is_none_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ConfigError, match="found 'kWh', allowed is mW, W, kW"):
        point(unit="kWh")
    with pytest.raises(ConfigError, match=r"found 'Grid\.Surplus', allowed is nsu="):
        point(node="Grid.Surplus")
    pem = tmp_path / "a.pem"
    with pytest.raises(ConfigError, match="found 'Basic128Rsa15', allowed is Basic256Sha256"):
        Security(policy="Basic128Rsa15", certificate=pem, private_key=pem, trusted=pem)
    with pytest.raises(ConfigError, match=r"a file that ends in \.pem or \.der"):
        Security(policy="Basic256Sha256", certificate=pem, private_key=tmp_path / "a.key", trusted=pem)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("/Server", (Step("", "Server"),)),
        ("/nsu=urn:v;Feeder7/Power", (Step("urn:v", "Feeder7"), Step("urn:v", "Power"))),
        (
            "/nsu=urn:v;Meter/nsu=http://opcfoundation.org/UA/ECM/;AcFrequency",
            (Step("urn:v", "Meter"), Step("http://opcfoundation.org/UA/ECM/", "AcFrequency")),
        ),
        ("/nsu=urn:v;a&/b&&c", (Step("urn:v", "a/b&c"),)),
    ],
)
def test_a_browse_path_names_the_namespace_where_it_changes(text, steps):
    assert parse_node(text) == steps


@pytest.mark.parametrize("text", ["/", "//a", "/a/", "/nsu=urn:v;", "/a&"])
def test_half_a_browse_path_is_none(text):
    with pytest.raises(ConfigError, match="browse path"):
        parse_node(text)


def test_a_node_id_with_a_uri_keeps_it():
    node = parse_node("nsu=http://a.b/;s=Grid/x")
    assert isinstance(node, ua.ExpandedNodeId)
    assert (node.NamespaceUri, node.Identifier) == ("http://a.b/", "Grid/x")


def test_a_password_is_never_shown():
    assert "hunter2" not in repr(Server(endpoint="opc.tcp://a", username="u", password="hunter2"))
