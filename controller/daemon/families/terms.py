"""What the site file says of grid and money, and the figures that are read by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import InfoMetricFamily
from prometheus_client.metrics_core import Metric

from controller.core.decision import Decision
from controller.daemon.families.made import gauge, labelled
from controller.site.model import SiteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """`site`: its id. `currency`: of all values, three capitals. `firm_w`: what the contract gives always, `contract_w`: the most ever."""

    site: str
    currency: str
    firm_w: float
    contract_w: float

    @classmethod
    def of(cls, site_file: SiteFile) -> SiteTerms:
        """Return what the file says."""
        grid, currency = site_file.grid, site_file.economics.tariff.currency
        return cls(site=site_file.site, currency=currency, firm_w=grid.firm_w, contract_w=grid.contract_w)

    def families(self) -> Iterator[Metric]:
        """Yield the terms themselves."""
        labels = {"site": self.site, "currency": self.currency}
        yield InfoMetricFamily("surplusd_site", "The site that is led, and the currency of its values.", value=labels)
        yield gauge("surplusd_grid_contract_watts", "Most that the site may ever draw.", self.contract_w)
        yield gauge("surplusd_grid_firm_watts", "Power that the contract gives whatever the surplus is.", self.firm_w)

    def used(self, decision: Decision) -> Iterator[Metric]:
        """Yield the surplus and what is used of it; absent while it, or the power, is not known."""
        surplus_w, site_w = decision.surplus_w, decision.site_w
        if surplus_w is None:
            return
        yield gauge("surplusd_surplus_watts", "Surplus that counts now.", surplus_w)
        if site_w is not None:
            used_w = min(max(site_w - self.firm_w, 0.0), max(surplus_w, 0.0))
            text = "Power of the site above its firm power, as far as the surplus covers it."
            yield gauge("surplusd_surplus_used_watts", text, used_w)

    def allocation(self, decision: Decision) -> Iterator[Metric]:
        """Yield what is decided and the most that could be, by the same measure, and what of it is earned."""
        worth, bound = decision.worth_per_h, decision.bound_per_h
        for name, text, amount in (
            ("value", "Revenue less energy of what is allotted to devices that are led.", decision.value_per_h),
            ("worth", "Value of what is allotted to all devices, with bonus of running and cost of starts.", worth),
            ("bound", "Upper bound of what any allocation is worth.", bound),
        ):
            yield labelled(f"surplusd_allocation_{name}_per_hour", text, "currency", {self.currency: amount})
        if bound > 0:
            gap = (bound - worth) / bound
            yield gauge("surplusd_allocation_gap_ratio", "Share of the bound that is not reached.", gap)
