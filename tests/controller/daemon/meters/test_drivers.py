"""From the site file to drivers; what cannot be used is said before anything is started."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from controller.core.limits.carrying import phase_quantities
from controller.core.site import SURPLUS
from controller.core.trust.judge import no_trust
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.modbus import bus_meters
from controller.daemon.meters.supervision import run_drivers
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.errors import ConfigError
from drivers.meters.modbus import ModbusMeter, Serial
from drivers.meters.profiles import bundled_profiles, load_profile
from drivers.readings import Loss
from tests.controller.core.world import site
from tests.waiting import DEADLINE_S

DEMO = Path(__file__).parents[4] / "configs/demo.yaml"


def site_file(folder: Path, *changes: tuple[str, str]):
    text = DEMO.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "site.yaml").write_text(text)
    return load(folder / "site.yaml")


def nothing(_item) -> None: ...


def test_every_meter_and_the_surplus_has_a_driver(tmp_path):
    made = drivers(site_file(tmp_path), nothing)
    assert {driver.name for driver in made} == {"pcc-main", "pcc-check", "feeder-b-main", SURPLUS}
    assert {driver.name for driver in made} == set(no_trust(compile_site(site_file(tmp_path))).sources)


@pytest.mark.parametrize("profile", bundled_profiles())
def test_every_bundled_profile_makes_a_driver(tmp_path, profile):
    needs = (
        ", ct_ratio: 40" * load_profile(profile).secondary
        + ", full_scale: 2 MW" * load_profile(profile).needs_full_scale
        + ", confirmed: true" * bool(load_profile(profile).power_doubt)
    )
    polled = f"profile: {profile}, poll: 2 s{needs}"
    assert drivers(site_file(tmp_path, ("profile: schneider_pm5xxx, poll: 500 ms", polled)), nothing)


def test_what_a_limit_in_amperes_follows_is_read_at_every_poll(tmp_path):
    carries = "carries: {current: 300 A, volts: 380 V, power_factor: 0.9, imbalance: 10 %}"
    changed = site_file(tmp_path, ("- {id: pcc, ", f"- {{id: pcc, {carries}, "))
    meters = [meter for driver in drivers(changed, nothing) for meter in driver.reads]
    read = {meter.id: meter.each_poll for meter in meters if isinstance(meter, ModbusMeter)}
    assert read["pcc-main"] == read["pcc-check"] == phase_quantities(3)
    assert read["feeder-b-main"] == ()


def test_an_unusable_profile_is_a_config_error(tmp_path):
    (tmp_path / "own.yaml").write_text("id: own\nregisters: nonsense\n")
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        drivers(site_file(tmp_path, ("profile: schneider_pm5xxx", "profile: own.yaml")), nothing)


LOGIN = ("    security: none", "    username: reader\n    password_file: opcua.password\n    security: none")


def test_a_password_that_is_not_there_is_a_config_error(tmp_path):
    made = site_file(tmp_path, LOGIN)
    with pytest.raises(ConfigError, match=r"opcua\.password"):
        drivers(made, nothing)


def test_a_password_is_read_without_its_line_end(tmp_path):
    (tmp_path / "opcua.password").write_text("secret word\n")
    assert drivers(site_file(tmp_path, LOGIN), nothing)


def test_one_driver_that_finds_nobody_keeps_no_other_from_telling_so(tmp_path):
    """Real drivers against ports that nobody listens on: each tells its loss, none ends, cancelling ends all."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        ports = [("15020", port), ("15021", port), ("15022", port), ("14840", port)]
        heard: dict[str, Loss] = {}
        made = drivers(site_file(tmp_path, *ports), lambda item: heard.setdefault(item.meter, item))

        async def until_all_told() -> None:
            running = asyncio.create_task(run_drivers(made, nothing))
            deadline_s = time.monotonic() + DEADLINE_S
            while len(heard) < len(made):
                assert time.monotonic() < deadline_s, f"only {sorted(heard)}"
                assert not running.done()
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert running.cancelled()

        asyncio.run(until_all_told())
    assert all(isinstance(item, Loss) and item.reason for item in heard.values())


@pytest.mark.parametrize("turns", range(12))
def test_drivers_end_at_whatever_moment_they_are_cancelled(tmp_path, turns):
    """A connection that is refused in the very turn in which its driver is cancelled hides the cancellation."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        made = drivers(site_file(tmp_path, *((old, port) for old in ("15020", "15021", "15022", "14840"))), nothing)

        async def cancelled_early() -> None:
            running = asyncio.create_task(run_drivers(made, nothing))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running], timeout=DEADLINE_S)
            assert running.cancelled()

        asyncio.run(cancelled_early())


def test_a_meter_cannot_take_the_name_of_the_surplus(tmp_path):
    """The surplus source stands among the meters by this name."""
    with pytest.raises(ConfigError, match="surplus"):
        site_file(tmp_path, ("id: pcc-check", "id: surplus"))
    assert SURPLUS not in site().meters.ids


def test_meters_at_one_place_share_a_driver_and_one_alone_can_be_asked_for(tmp_path):
    made = site_file(tmp_path, ("port: 15021, unit: 1", "port: 15020, unit: 2"))
    names = [{driver.name for driver in drivers(made, nothing, only)} for only in (None, ("pcc-check",))]
    assert names == [{"pcc-main, pcc-check", "feeder-b-main", SURPLUS}, {"pcc-check"}]


def test_a_certificate_that_cannot_be_used_is_a_config_error(tmp_path):
    changed = ("port: 15021,", "port: 15021, transport: tls, tls: {ca: none.pem},")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        drivers(site_file(tmp_path, changed), nothing)


SERIAL = (
    "{host: 127.0.0.1, port: 15021, unit: 1,",
    "{transport: rtu, serial: {device: /dev/ttyUSB7, baud: 19200, parity: even}, full_scale: 3 MW, unit: 9,",
)


def test_every_key_of_the_site_file_reaches_the_driver(tmp_path):
    profile = ("profile: carlo_gavazzi_em24, poll: 500 ms", "profile: satec_pm180, poll: 500 ms, poll_slow: 20 s")
    [source] = [meter.modbus for meter in site_file(tmp_path, SERIAL, profile).meters if meter.id == "pcc-check"]
    [meter] = bus_meters({"m": source}, {})
    assert meter.serial == Serial(device="/dev/ttyUSB7", baud=19200, parity="even", stop_bits=1)
    assert (meter.transport, meter.unit, meter.poll_s, meter.poll_slow_s, meter.timeout_s) == ("rtu", 9, 0.5, 20.0, 0.4)
    assert not meter.profile.needs_full_scale
    assert str(meter.place) == "/dev/ttyUSB7"
