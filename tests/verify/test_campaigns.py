"""`make verify` can begin: everything that its campaigns are made of is there, and each says what it does."""

from __future__ import annotations

from tests.verify.__main__ import CAMPAIGNS


def test_every_campaign_can_be_begun_and_says_what_it_does():
    assert all(campaign.__doc__ for campaign in CAMPAIGNS.values())
