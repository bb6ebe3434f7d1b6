"""The series of thousands of devices: as text, in pieces, by page."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from controller.daemon.families.as_text import escape
from controller.daemon.families.device_series import AT_ONCE, PAGE, DeviceSeries
from controller.daemon.latest import DeviceColumns
from tests.controller.north import make_site


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_label_comes_back_as_it_was(device, node):
    site = make_site()
    site = replace(
        site, devices=replace(site.devices, ids=(device, "other")), tree=replace(site.tree, ids=("pcc", node))
    )
    columns = DeviceColumns(measured_w=np.array([1.0, 2.0]), state=np.array([0, 1]))
    text = "".join(DeviceSeries(site).chunks(None, columns))
    first = next(iter(text_string_to_metric_families(text))).samples[0]
    assert (first.labels["device"], first.labels["node"], first.value) == (device, node, 1.0)


def test_escape_leaves_nothing_that_ends_a_label():
    assert escape('a"b\\c\nd') == r"a\"b\\c\nd"


def test_a_scrape_of_ten_thousand_devices_is_cheap():
    site, count = make_site(), 10_000
    devices = replace(
        site.devices,
        ids=tuple(f"m-{k:05d}" for k in range(count)),
        node=np.ones(count, dtype=np.int64),
        agent=np.zeros(count, dtype=np.int64),
    )
    series = DeviceSeries(replace(site, devices=devices))
    watts = np.random.default_rng(1).uniform(0, 3500, count)
    columns = DeviceColumns(measured_w=watts, state=np.zeros(count, dtype=np.int64))
    took_s = []
    for _ in range(5):
        begun_s = time.thread_time()
        pieces = list(series.chunks(watts, columns))
        took_s.append(time.thread_time() - begun_s)
    assert "".join(pieces).count("\n") == 3 * (count + 2)
    assert max(map(len, pieces)) < 200_000, "no piece of it keeps the interpreter for long"
    assert min(took_s) < 0.1, "the bound is ten times what it takes"


@pytest.mark.parametrize("count", [1, AT_ONCE, AT_ONCE + 1, PAGE + 1])
def test_pages_and_pieces_hold_every_device_once(count):
    site = make_site()
    devices = replace(
        site.devices,
        ids=tuple(f"m-{k:05d}" for k in range(count)),
        node=np.ones(count, dtype=np.int64),
        agent=np.zeros(count, dtype=np.int64),
    )
    series = DeviceSeries(replace(site, devices=devices))
    columns = DeviceColumns(measured_w=np.arange(count, dtype=np.float64), state=np.zeros(count, dtype=np.int64))
    lines = [
        line
        for page in range(1, series.pages + 1)
        for line in "".join(series.chunks(None, columns, page)).splitlines()
        if line.startswith("surplusd_device_power_watts")
    ]
    assert series.pages == -(-count // PAGE)
    assert lines == [
        f'surplusd_device_power_watts{{device="m-{k:05d}",node="feeder",agent="hall-a"}} {k}' for k in range(count)
    ]
