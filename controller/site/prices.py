"""Prices of a site file by their names, one by one."""

from __future__ import annotations

from typing import Final, get_args

from controller.site.measures import EnergyPrice, Hashprice, JobPrice, Price
from controller.site.model import EconomicsSection
from controller.site.value_type import NotAllowedError, ValueType
from drivers.errors import CommandLineWrong

_GPU: Final = "gpu."
_ONES: Final = {"tariff": EnergyPrice, "hashprice": Hashprice}


def with_prices(economics: EconomicsSection, name: str, text: str) -> EconomicsSection:
    """Return the prices with one of them replaced: tariff, hashprice, or ``gpu.`` and a priority that is there.

    CommandLineWrong where there is no such price, or the text is none, or is of another currency.
    """
    known = [*_ONES, *(f"{_GPU}{priority}" for priority in economics.gpu)]
    if name not in known:
        raise CommandLineWrong(f"--price: there is no {name}; allowed is one of {', '.join(known)}")
    new = _read(name, text)
    if new.currency != economics.tariff.currency:
        raise CommandLineWrong(f"--price: {name} is in {new.currency}, the site file in {economics.tariff.currency}")
    if name in _ONES:
        return economics.model_copy(update={name: new})
    return economics.model_copy(update={"gpu": economics.gpu | {name.removeprefix(_GPU): new}})


def _read(name: str, text: str) -> Price:
    kind: ValueType = get_args(_ONES.get(name, JobPrice))[1]
    try:
        price: Price = kind.parse(text)
    except NotAllowedError:
        raise CommandLineWrong(f"--price: {name}: found {text!r}, allowed is {kind.allowed}") from None
    return price
