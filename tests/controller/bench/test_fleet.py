"""The load harness: its site is one that surplusd takes, and a small load runs from start to end."""

import json
import shutil
import socket
import sys
from pathlib import Path

import pytest

from controller.bench.load_site import HOST, make_site
from controller.bench.parts import start_broker
from controller.bench.process_figures import Scrape, cpu_s, resident_mb, tick_within_s
from controller.cli import main
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.errors import DriverLoss


@pytest.mark.parametrize(("devices", "agents"), [(10, 1), (240, 3), (1000, 10)])
def test_the_site_of_a_load_is_a_site(tmp_path, devices, agents):
    made = make_site(tmp_path, devices=devices, agents=agents, tick_s=1.0)
    site = compile_site(load(made.file))
    assert (len(site.devices.ids), len(site.agents)) == (devices, agents)
    assert made.surplus_w > site.devices.max_w.sum(), "every device can be up"
    assert len(made.token) > 20


def test_ticks_are_told_by_the_bound_that_so_many_are_within():
    before = Scrape(took_s=0.0, size=0, ticks={0.01: 5, 0.1: 5, float("inf"): 5})
    after = Scrape(took_s=0.0, size=0, ticks={0.01: 95, 0.1: 104, float("inf"): 105})
    assert tick_within_s(before, after, 0.5) == 0.01
    assert tick_within_s(before, after, 0.99) == 0.1
    assert tick_within_s(before, after, 0.999) == float("inf")


def test_a_process_has_memory_and_has_used_time():
    own = int(Path("/proc/self/stat").read_text().split()[0])
    assert cpu_s(own) > 0.0
    assert 0.0 < resident_mb(own) <= resident_mb(own, most=True)


#: A mosquitto that takes its time, or ends.
SLOW = """#!{python}
import socket, sys, time
time.sleep(0.7)
(listener,) = [line.split() for line in open(sys.argv[2]) if line.startswith("listener")]
server = socket.create_server((listener[2], int(listener[1])))
time.sleep(60)
"""
ENDS = """#!{python}
import sys, time
time.sleep(0.7)
sys.exit("no such option")
"""


def mosquitto_that(folder, text, monkeypatch):
    program = folder / "mosquitto"
    program.write_text(text.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_broker_is_there_once_it_takes_connections(tmp_path, monkeypatch):
    mosquitto_that(tmp_path, SLOW, monkeypatch)
    made = make_site(tmp_path, devices=10, agents=1, tick_s=1.0)
    broker = start_broker(made)
    try:
        socket.create_connection((HOST, made.broker_port)).close()
    finally:
        broker.stop()


def test_a_broker_that_ends_is_told_of_with_what_it_said(tmp_path, monkeypatch):
    mosquitto_that(tmp_path, ENDS, monkeypatch)
    with pytest.raises(DriverLoss, match="mosquitto ended with status 1: no such option"):
        start_broker(make_site(tmp_path, devices=10, agents=1, tick_s=1.0))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None, reason="no mosquitto")
def test_a_small_load_from_start_to_end(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    words = ["--devices", "200", "--orders", "2", "--seconds", "2", "--busy", "1", "--json", str(figures)]
    assert main(["bench", "fleet", *words]) == 0
    found = json.loads(figures.read_text())
    assert found["order_s"]["count"] == 2
    assert found["quiet"]["lapses"] == found["reconnect"]["raised_before_confirmed"] == 0
    assert "order_to_raw_socket.median" in capsys.readouterr().out
