"""Which site a start runs, whatever happened before it, and at whatever moment."""

import os
from pathlib import Path

import pytest

from controller.daemon.reload import kept as module
from controller.daemon.reload.beginning import begin
from controller.daemon.reload.kept import KeptSite, kept_folder
from controller.site.loaded import read_site
from drivers import durable
from drivers.errors import ConfigError
from tests.controller.daemon.reload.sites import HALF_EDITED, HIGHER, OWN_MODEL, OWN_MODELS, PROFILE, Folder
from tests.controller.site.test_own_models import MODELS
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def kept_of(folder) -> KeptSite:
    return KeptSite(folder.file, kept_folder(folder.file, {}))


def ran(folder) -> None:
    """A daemon has run on the file as it stands, and was killed."""
    kept_of(folder).keep(read_site(folder.file))


def contract_w(folder) -> float:
    return begin(folder.file, kept_of(folder)).site.site_file.grid.contract_w


def test_the_first_start_runs_the_site_file_and_a_wrong_one_ends_it(folder):
    assert contract_w(folder) == 100e3
    folder.write(HALF_EDITED)
    with pytest.raises(ConfigError, match="contract"):
        begin(folder.file, kept_of(folder))


def test_a_start_after_a_crash_runs_what_ran_and_names_what_is_wrong_with_the_file(folder):
    ran(folder)
    folder.write(HALF_EDITED)
    beginning = begin(folder.file, kept_of(folder))
    assert beginning.site.site_file.grid.contract_w == 100e3
    assert beginning.not_taken.startswith("it is wrong: ")
    assert "grid.contract" in beginning.not_taken


def test_a_file_that_is_sound_and_not_finished_is_not_picked_up_either(folder):
    ran(folder)
    folder.write(HIGHER, ("limit: 60 kW", "limit: 59 kW"))
    beginning = begin(folder.file, kept_of(folder))
    assert beginning.site.site_file.grid.contract_w == 100e3
    assert beginning.not_taken.endswith("grid.contract, nodes.hall.limit")


def test_a_file_that_says_the_same_is_nothing_to_speak_of(folder):
    ran(folder)
    folder.write(("contract: 100 kW", "contract: 100 kW  # the old contract"))
    assert begin(folder.file, kept_of(folder)).not_taken == ""


def test_a_file_that_is_gone_changes_nothing(folder):
    ran(folder)
    folder.file.unlink()
    beginning = begin(folder.file, kept_of(folder))
    assert beginning.site.site_file.grid.contract_w == 100e3
    assert "site.yaml" in beginning.not_taken


def test_after_an_orderly_end_the_file_counts(folder):
    ran(folder)
    with kept_of(folder).until_an_orderly_end():
        folder.write(HIGHER)
    assert contract_w(folder) == 110e3


@pytest.mark.parametrize("end", [SystemExit(0), KeyboardInterrupt()])
def test_a_person_who_ends_it_early_ends_it(folder, end):
    ran(folder)
    with pytest.raises(type(end)), kept_of(folder).until_an_orderly_end():
        raise end
    assert not kept_of(folder).is_marked


def test_what_ends_by_a_fault_has_not_ended_in_good_order(folder):
    ran(folder)
    with pytest.raises(OSError, match="a fault"), kept_of(folder).until_an_orderly_end():
        raise OSError("a fault")
    folder.write(HIGHER)
    assert contract_w(folder) == 100e3


def test_relative_paths_start_at_the_folder_of_the_site_file(folder):
    ran(folder)
    folder.write(HALF_EDITED)
    site_file = begin(folder.file, kept_of(folder)).site.site_file
    assert site_file.mqtt.keys == folder.path / "keys"
    assert site_file.orders.tokens[0].token_file == folder.path / "authority.token"


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_profile_runs_as_it_was_too(folder, change):
    ran(folder)
    if change == "edit":
        folder.profile.write_text("id: own\nregisters: [half\n")
    else:
        folder.profile.unlink()
    beginning = begin(folder.file, kept_of(folder))
    assert Path(beginning.site.site_file.surplus.modbus.profile).read_text() == PROFILE
    assert "profile" in beginning.not_taken


@pytest.mark.parametrize("change", ["edit", "spoil", "remove"])
def test_the_models_of_the_site_run_as_they_were_too(folder, change):
    folder.write(OWN_MODEL, OWN_MODELS)
    ran(folder)
    if change == "edit":
        folder.models.write_text(EXAMPLE.replace("down: 6 s", "down: 1 s"))
    elif change == "spoil":
        folder.models.write_text("models: [half\n")
    else:
        folder.models.unlink()
    beginning = begin(folder.file, kept_of(folder))
    assert beginning.unusable == ""
    assert beginning.site.site_file.models.by_id[OWN].down_s == 6.0
    assert f"models.{OWN}" in beginning.not_taken if change == "edit" else "own.yaml" in beginning.not_taken
    kept_of(folder).keep(beginning.site)  # and after the next crash, too
    assert begin(folder.file, kept_of(folder)).site.site_file.models.by_id[OWN].down_s == 6.0


def test_models_that_stand_in_the_site_file_run_as_they_were_too(folder):
    before, after = OWN_MODELS
    folder.write(OWN_MODEL, (before, after.replace("models: own.yaml\n", f"models:\n{MODELS}")))
    ran(folder)
    changed = MODELS.replace("down: 6 s", "down: 1 s")
    folder.write(OWN_MODEL, (before, after.replace("models: own.yaml\n", f"models:\n{changed}")))
    beginning = begin(folder.file, kept_of(folder))
    assert beginning.unusable == ""
    assert beginning.site.site_file.models.by_id[OWN].down_s == 6.0
    assert f"models.{OWN}" in beginning.not_taken


#: Where a crash may fall while a site is kept: before the nth call of what makes it durable.
MOMENTS = range(6)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("first", [True, False], ids=["a first start", "a reload"])
def test_whatever_moment_a_crash_falls_on_what_runs_next_was_taken_whole(folder, monkeypatch, moment, first):
    """At a start the file counts until the mark is there; at a reload the old site counts, or the new one, and nothing between."""
    if not first:
        ran(folder)
        folder.write(HIGHER)
    calls = 0

    def crashing(call):
        def called(*given):
            nonlocal calls
            calls += 1
            if calls > moment:
                raise Crash
            return call(*given)

        return called

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", crashing(os.fsync))
        crashing_sync = crashing(durable.sync_folder)
        for place in (module, durable):
            patched.setattr(place, "sync_folder", crashing_sync)
        crashed = False
        try:
            ran(folder)
        except Crash:
            crashed = True
    before = read_site(folder.file).site_file.grid.contract_w
    folder.write(("contract: 100 kW", "contract: 120 kW"))  # somebody goes on editing
    if first:
        assert contract_w(folder) == (120e3 if crashed and not kept_of(folder).is_marked else before)
    else:
        assert contract_w(folder) in {100e3, 110e3}
        assert crashed or contract_w(folder) == 110e3


class Crash(BaseException):
    """The machine is gone."""


def test_a_kept_site_of_which_a_bit_flipped_is_not_taken_for_what_ran(folder):
    ran(folder)
    file = folder.state / "site.kept"
    content = bytearray(file.read_bytes())
    content[content.index(b"100 kW")] ^= 8
    file.write_bytes(content)
    folder.write(HIGHER)
    beginning = begin(folder.file, kept_of(folder))
    assert "not as it was written" in beginning.unusable
    assert beginning.site.site_file.grid.contract_w == 110e3


@pytest.mark.parametrize("spoil", ["", "no hash", "0" * 64 + "\n{}"])
def test_nonsense_is_not_taken_for_what_ran(folder, spoil):
    ran(folder)
    (folder.state / "site.kept").write_text(spoil)
    assert begin(folder.file, kept_of(folder)).unusable


def test_the_site_of_another_file_is_not_taken_for_what_ran(folder):
    ran(folder)
    other = folder.path / "other.yaml"
    folder.write(HIGHER)
    folder.file.rename(other)
    beginning = begin(other, KeptSite(other, folder.state))
    assert "another site file" in beginning.unusable
    assert beginning.site.site_file.grid.contract_w == 110e3


def test_a_state_folder_that_is_not_there_is_not_made(folder):
    folder.state.rmdir()
    with pytest.raises(OSError, match=r"site\.kept"):
        ran(folder)
    assert not folder.state.exists()


@pytest.mark.parametrize(
    ("line", "environ", "wanted"),
    [
        ("", {}, "state"),
        ("state: kept  # here\n", {}, "kept"),
        ("state: '/var/lib/x'\n", {}, "/var/lib/x"),
        ("state: kept\nmqtt: [half", {}, "kept"),
        ("state: kept\n", {"STATE_DIRECTORY": "/var/lib/surplusd:/b"}, "/var/lib/surplusd"),
    ],
)
def test_the_state_folder_is_found_in_a_broken_file(tmp_path, line, environ, wanted):
    file = tmp_path / "site.yaml"
    file.write_text(f"version: 1\ngrid: [\n{line}")
    assert kept_folder(file, environ) == tmp_path / wanted


def test_without_a_file_it_is_the_usual_one(tmp_path):
    assert kept_folder(tmp_path / "none.yaml", {}) == tmp_path / "state"
