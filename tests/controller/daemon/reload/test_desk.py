"""A reload takes all that may change or nothing, is on the disk before it counts, and says what it did not take."""

import logging
import math

import pytest

from controller.core.reasons import Code
from controller.daemon.journal.journal import RecordKind
from controller.daemon.reload.beginning import begin
from controller.daemon.reload.desk import Prepared, ReloadDesk, ReloadRefused
from controller.daemon.reload.kept import KeptSite, kept_folder
from controller.site.loaded import LoadedSite
from drivers.errors import ConfigError
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.daemon.reload.sites import HALF_EDITED, HIGHER, LEASE, OWN_MODEL, OWN_MODELS, Folder
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN


class Bench:
    """A desk over a real folder and journal; `counting` is what was taken over last."""

    def __init__(self, path) -> None:
        self.folder = Folder(path)
        self.journal = journal_at(path / "journal.db")
        self.counting: LoadedSite | None = None
        self.kept_when_it_counted = math.nan
        self.unusable = ""
        self.tokens: tuple[str, ...] = ()
        self.start()

    def start(self) -> None:
        """A daemon starts, whatever happened to the one before it."""
        self.kept = KeptSite(self.folder.file, kept_folder(self.folder.file, {}))
        beginning = begin(self.folder.file, self.kept)
        self.desk = ReloadDesk(root="pcc", beginning=beginning, kept=self.kept, journal=self.journal)
        self.desk.keep()
        self.desk.prepare = self.prepare

    def prepare(self, site, _changes) -> Prepared:
        if self.unusable:
            raise ConfigError(self.unusable)

        def take_over():
            self.counting = site
            self.kept_when_it_counted = self.kept.read().site_file.grid.contract_w

        return Prepared(tokens=self.tokens, take_over=take_over)

    def reload(self, *changes: tuple[str, str]):
        self.folder.write(*changes)
        return self.desk.reload("desk-1")

    def refused(self, *changes: tuple[str, str]) -> ReloadRefused:
        with pytest.raises(ReloadRefused) as caught:
            self.reload(*changes)
        assert self.counting is None
        return caught.value

    def why(self) -> str:
        (reason,) = self.desk.findings()
        assert (reason.code, reason.subject) == (Code.SITE_FILE_NOT_TAKEN, "pcc")
        return str(reason.parameters["why"])


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.journal.close()


def test_what_is_taken_is_kept_before_it_counts_and_is_on_record(bench):
    answer = bench.reload(HIGHER)
    assert (answer.taken, answer.waiting) == (("grid.contract",), ())
    assert bench.counting.site_file.grid.contract_w == bench.kept_when_it_counted == 110e3
    bench.journal.append(RecordKind.MODE, {})
    (record,) = bench.journal.records(RecordKind.RELOAD)
    assert record.body == {"by": "desk-1", "taken": ["grid.contract"], "waiting": []}
    assert bench.desk.findings() == ()


def test_a_crash_after_a_reload_runs_what_was_reloaded(bench):
    bench.reload(HIGHER)
    bench.folder.write(HALF_EDITED)
    bench.start()
    assert bench.desk._running.site_file.grid.contract_w == 110e3


def test_a_wrong_file_changes_nothing_and_all_of_its_mistakes_are_named(bench):
    refusal = bench.refused(HALF_EDITED, ("limit: 60 kW", "limit: 60"))
    assert refusal.in_file
    assert ["grid.contract" in line or "nodes[1].limit" in line for line in refusal.lines] == [True, True]
    assert "it is wrong" in bench.why()
    assert "and 1 more" in bench.why()
    bench.reload()
    assert bench.desk.findings() == ()


def test_what_cannot_be_prepared_changes_nothing(bench):
    bench.unusable = "authority.token: has the mode 0644"
    assert bench.refused(HIGHER).lines == (bench.unusable,)
    assert bench.kept.read().site_file.grid.contract_w == 100e3


def test_what_cannot_be_kept_does_not_count(bench, monkeypatch):
    def full(_site):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.kept, "keep", full)
    refusal = bench.refused(HIGHER)
    assert not refusal.in_file
    assert "No space left" in refusal.lines[0]


def test_what_waits_for_a_restart_is_named_and_does_not_run_after_a_crash(bench):
    answer = bench.reload(HIGHER, LEASE)
    assert (answer.taken, answer.waiting) == (("grid.contract",), ("fleet.lease",))
    assert bench.counting.site_file.fleet.lease_s == 20.0
    assert bench.why() == "this waits for a restart: fleet.lease"
    bench.start()
    assert (bench.desk._running.site_file.grid.contract_w, bench.desk._running.site_file.fleet.lease_s) == (110e3, 20.0)
    assert bench.why().endswith("this has changed: fleet.lease")


def test_a_file_that_says_what_runs_again_ends_the_doubt(bench):
    bench.reload(LEASE)
    bench.reload()
    assert bench.desk.findings() == ()


def test_a_token_whose_file_is_another_is_named(bench):
    bench.tokens = ("authority",)
    assert bench.reload().taken == ("orders.tokens.authority",)


def test_before_the_parts_are_there_nothing_is_taken(bench):
    bench.desk.prepare = None
    assert not bench.refused(HIGHER).in_file


def test_a_signal_does_the_same_and_the_log_has_the_answer(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.folder.write(HIGHER)
    bench.desk.reload_by_signal()
    bench.folder.write(HALF_EDITED)
    bench.desk.reload_by_signal()
    assert [record.event for record in caplog.records] == ["reloaded", "reload_refused"]
    assert bench.counting.site_file.grid.contract_w == 110e3


def test_a_fault_in_a_reload_by_signal_ends_nothing(bench, caplog, monkeypatch):
    monkeypatch.setattr(bench.desk, "prepare", lambda *_: 1 / 0)
    bench.folder.write(HIGHER)
    bench.desk.reload_by_signal()
    assert [record.event for record in caplog.records] == ["reload_failed"]


def test_a_start_that_cannot_keep_its_site_says_so(bench, monkeypatch, caplog):
    monkeypatch.setattr(bench.kept, "keep", lambda _site: (_ for _ in ()).throw(OSError("read-only")))
    bench.desk.keep()
    assert [record.event for record in caplog.records] == ["site_file_not_kept"]


def run_with_models(bench):
    with bench.kept.until_an_orderly_end():
        bench.folder.write(OWN_MODEL, OWN_MODELS)
    bench.start()


def test_a_changed_model_of_the_site_waits_for_a_restart_and_is_named(bench):
    run_with_models(bench)
    bench.folder.models.write_text(EXAMPLE.replace("down: 6 s", "down: 1 s"))
    answer = bench.reload(OWN_MODEL, OWN_MODELS, HIGHER)
    assert (answer.taken, answer.waiting) == (("grid.contract",), (f"models.{OWN}",))
    assert f"models.{OWN}" in bench.why()
    assert bench.counting.site_file.models.by_id[OWN].down_s == 6.0
    assert bench.kept.read().site_file.models.by_id[OWN].down_s == 6.0
    assert bench.reload(OWN_MODEL, OWN_MODELS, HIGHER).waiting == (f"models.{OWN}",)


def test_a_wrong_file_of_models_refuses_the_reload(bench):
    run_with_models(bench)
    bench.folder.models.write_text(EXAMPLE.replace("down: 6 s", "down: 6"))
    refused = bench.refused(OWN_MODEL, OWN_MODELS, HIGHER)
    assert any("own.yaml" in line and "down: found 6" in line for line in refused.lines)


def test_what_is_taken_while_no_tick_runs_is_on_record_too(bench, caplog):
    def late():
        raise TimeoutError

    bench.desk.prepare = lambda *_: Prepared(tokens=(), take_over=late)
    bench.folder.write(HIGHER)
    with pytest.raises(TimeoutError):
        bench.desk.reload("desk-1")
    assert bench.desk.running.site_file.grid.contract_w == 110e3
    bench.journal.append(RecordKind.MODE, {})
    (record,) = bench.journal.records(RecordKind.RELOAD)
    assert record.body["taken"] == ["grid.contract"]
