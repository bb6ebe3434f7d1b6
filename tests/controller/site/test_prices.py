from pathlib import Path

import pytest

from controller.site.load import load
from controller.site.prices import with_prices
from drivers.errors import CommandLineWrong

DEMO = Path("configs/demo.yaml")


@pytest.fixture(scope="module")
def economics():
    return load(DEMO).economics


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("power", "1 USD/kWh", "there is no power; allowed is one of tariff, hashprice, gpu.normal"),
        ("gpu.nobody", "1 USD/kWh", "there is no gpu.nobody"),
        ("tariff", "1 EUR/kWh", "tariff is in EUR, the site file in USD"),
        ("tariff", "cheap", "tariff: found 'cheap', allowed is a price in USD/kWh or USD/MWh"),
        ("hashprice", "-1 USD/TH/day", "hashprice: found '-1 USD/TH/day'"),
    ],
)
def test_what_is_no_price_of_the_site_is_named(economics, name, text, message):
    with pytest.raises(CommandLineWrong, match=message):
        with_prices(economics, name, text)


def test_one_price_is_replaced_and_the_others_stay(economics):
    priority = next(iter(economics.gpu))
    new = with_prices(with_prices(economics, "tariff", "30 USD/MWh"), f"gpu.{priority}", "2 USD/kWh")
    assert new.tariff.amount == pytest.approx(0.03)
    assert new.gpu[priority].amount == 2.0
    assert new.hashprice == economics.hashprice
