"""All parts that have to hear of another site do, and none before the whole of it is known to be usable."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from controller.daemon.access import Tokens
from controller.daemon.reload.takeover import Takeover
from controller.daemon.tokens import make_tokens
from controller.site.changes import differences
from controller.site.compile import compile_site
from controller.site.loaded import read_site
from drivers.errors import ConfigError
from tests.controller.daemon.reload.sites import HIGHER, Folder

#: A profile that drivers can be made of.
PROFILE = ("profile: profiles/own.yaml", "profile: schneider_pm5xxx")
TSO = (
    "orders:\n  tokens:\n",
    (
        "orders:\n  tokens:\n    - {name: tso, role: authority, token_file: tso.token}\n"
        "    - {name: desk, role: operator, token_file: desk.token}\n"
    ),
)


class Told:
    """A part that notes what it is told."""

    def __init__(self) -> None:
        self.told: list = []

    def take_over(self, what):
        self.told.append(what)
        taken: Future[None] = Future()
        taken.set_result(None)
        return taken

    name_issuers = take_over


class Bench:
    def __init__(self, path) -> None:
        self.folder = Folder(path)
        self.folder.write(PROFILE)
        for name in ("tso", "desk"):
            self.folder.token(name)
        self.running = read_site(self.folder.file)
        self.tokens = Tokens(make_tokens(self.running.site_file.orders.tokens))
        self.book, self.intake, self.ticker, self.sources, self.metrics = Told(), Told(), Told(), Told(), Told()
        service = SimpleNamespace(
            site=compile_site(self.running.site_file), tokens=self.tokens, book=self.book, intake=self.intake
        )
        self.house = Told()
        self.takeover = Takeover(service, self.ticker, self.sources, print, self.metrics, self.house)

    def prepare(self, *changes: tuple[str, str]):
        self.folder.write(PROFILE, *changes)
        new = read_site(self.folder.file)
        return self.takeover.prepare(new, differences(self.running, new))

    @property
    def names(self) -> list[str]:
        return [token.name for token in self.tokens]

    @property
    def untouched(self) -> bool:
        parts = (self.book, self.intake, self.ticker, self.sources, self.metrics)
        return self.names == ["authority"] and not any(part.told for part in parts)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_every_part_hears_of_it_and_nothing_has_changed_before(bench):
    prepared = bench.prepare(HIGHER, TSO)
    assert bench.untouched
    prepared.take_over()
    assert bench.names == ["tso", "desk", "authority"]
    assert bench.book.told == [{"tso", "authority"}]
    (site,), (control,) = bench.intake.told, bench.ticker.told
    assert bench.house.told == [site]
    assert site.rules.contract_w == 110e3
    assert control.step.args[0].site is site
    assert control.safe_step.args == (site,)
    (terms,) = bench.metrics.told
    assert terms.contract_w == 110e3
    (made,) = bench.sources.told
    assert {source for driver in made for source in driver.sources} == {"main", "hall-meter", "surplus"}


def test_only_drivers_that_read_something_else_are_others(bench):
    bench.prepare().take_over()
    bench.prepare(HIGHER, ("host: 10.0.0.1", "host: 10.0.0.9")).take_over()
    before, after = bench.sources.told
    same = [driver.sources for driver in after if any(driver.does_as(one) for one in before)]
    assert sorted(same) == [("hall-meter",), ("surplus",)]
    assert bench.ticker.told[1].state.keywords["read_otherwise"] == {"main"}


def test_a_secret_that_is_another_is_named(bench):
    assert bench.prepare().tokens == ()
    bench.folder.token("authority")
    assert bench.prepare().tokens == ("authority",)


@pytest.mark.parametrize(
    "change", [TSO, ("count: 2", "count: 3"), ("{id: annex, parent: pcc}", "{id: annex, parent: hall}")]
)
def test_what_cannot_be_used_touches_nothing(bench, change):
    (bench.folder.path / "desk.token").chmod(0o644)
    with pytest.raises(ConfigError):
        bench.prepare(HIGHER, change)
    assert bench.untouched
