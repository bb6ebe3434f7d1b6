"""The load harness: its site is one that surplusd takes, and a small load runs from start to end."""

import json
import shutil
from pathlib import Path

import pytest

from controller.bench.load_site import make_site
from controller.bench.process_figures import Scrape, cpu_s, resident_mb, tick_within_s
from controller.cli import main
from controller.site.compile import compile_site
from controller.site.load import load


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
