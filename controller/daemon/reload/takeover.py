"""Takes a site of the same structure over into the parts of a running daemon, between two ticks."""

from __future__ import annotations

from functools import partial

from controller.core.allocation.tables import make_tables
from controller.core.safe import safe_step
from controller.core.step import step
from controller.core.takeover import has_same_structure, taken_over
from controller.daemon.access import Role
from controller.daemon.families.terms import SiteTerms
from controller.daemon.house_memory import HouseMemory
from controller.daemon.meters.drivers import drivers
from controller.daemon.meters.supervision import Sources
from controller.daemon.metrics import Metrics
from controller.daemon.reload.desk import Prepared
from controller.daemon.service import Service
from controller.daemon.tick import Control, Ticker
from controller.daemon.tokens import make_tokens
from controller.site.changes import read_otherwise
from controller.site.compile import compile_site
from controller.site.loaded import LoadedSite
from drivers.errors import ConfigError
from drivers.readings import Publish

#: A tick takes it over within so many seconds, or it stands.
_TAKEN_S = 5.0


class Takeover:
    """Knows the parts that have to hear of another site; all others hold nothing but names of it."""

    def __init__(
        self,
        service: Service,
        ticker: Ticker,
        sources: Sources,
        publish: Publish,
        metrics: Metrics,
        house: HouseMemory,
    ) -> None:
        self._site, self._service, self._ticker = service.site, service, ticker
        self._sources, self._publish, self._metrics, self._house = sources, publish, metrics, house

    def prepare(self, loaded: LoadedSite, changes: tuple[str, ...]) -> Prepared:
        """Work out all that is needed, and change nothing; ConfigError where a profile, a token or the site cannot be used."""
        site, tokens = compile_site(loaded.site_file), make_tokens(loaded.site_file.orders.tokens)
        if not has_same_structure(self._site, site):
            raise ConfigError(f"{loaded.path}: nodes, devices, meters or agents are others; allowed is a restart")
        made, terms = drivers(loaded.site_file, self._publish), SiteTerms.of(loaded.site_file)
        control = Control(
            step=partial(step, make_tables(site)),
            safe_step=partial(safe_step, site),
            state=partial(taken_over, site=site, read_otherwise=read_otherwise(changes)),
        )
        before = {token.name: token.sha256 for token in self._service.tokens}
        other = tuple(token.name for token in tokens if before.get(token.name, token.sha256) != token.sha256)
        issuers = frozenset(token.name for token in tokens if token.role is Role.AUTHORITY)

        def take_over() -> None:
            self._service.tokens.replace(tokens)
            self._service.book.name_issuers(issuers)
            taken = self._ticker.take_over(control)
            self._service.intake.take_over(site)
            self._sources.take_over(made)
            self._metrics.take_over(terms)
            self._house.take_over(site)
            self._site = site
            taken.result(_TAKEN_S)

        return Prepared(tokens=other, take_over=take_over)
