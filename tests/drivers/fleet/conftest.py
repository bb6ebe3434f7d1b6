from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import BrokerProcess, amqtt_broker, mosquitto_broker


@pytest.fixture(params=["amqtt", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    """Each of the two real brokers in turn."""
    with amqtt_broker() if request.param == "amqtt" else mosquitto_broker(tmp_path) as running:
        yield running
