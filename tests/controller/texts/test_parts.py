"""Every part of an envelope has its words, and shares of a whole are told."""

from controller.core.limits.parts import EnvelopePart
from controller.texts.parts import PARTS, told_parts


def test_every_part_has_a_name_of_its_own_and_says_what_it_is():
    assert set(PARTS) == set(EnvelopePart)
    assert len({words.name for words in PARTS.values()}) == len(PARTS)
    assert all(words.meaning.endswith(".") and words.meaning[0].isupper() for words in PARTS.values())


def test_shares_are_told_by_size_and_what_is_next_to_nothing_is_not():
    watts = {EnvelopePart.RAMP: 30.0, EnvelopePart.USED: 1010.0, EnvelopePart.ABOVE: -40.0, EnvelopePart.CAPS: 0.4}
    assert told_parts(watts) == "used 101.0%, ramp 3.0%, above it -4.0%"
    assert told_parts({}) == "not known"
