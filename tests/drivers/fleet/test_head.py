"""The head token: what only the controller can make, and nobody can turn into something else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.head import ABSURD_EPOCH, JournalHead, open_head, seal
from drivers.fleet.keys import PrivateKey

KEY = PrivateKey(bytes(range(32)))
HEAD = JournalHead(journal="00ff" * 4, epoch=1_790_000_000, seq=42, utc_s=1_790_000_000, hash="a1" * 32)
TOKEN = seal(HEAD, site="demo", key=KEY)

counters = st.integers(0, 2**53 - 1)


@given(epoch=st.integers(0, ABSURD_EPOCH), seq=counters, site=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True))
@settings(deadline=None)
def test_what_is_sealed_is_opened_and_fits_a_set(epoch, seq, site):
    head = structs.replace(HEAD, epoch=epoch, seq=seq)
    token = seal(head, site=site, key=KEY)
    assert open_head(token, KEY.public_key(), site=site) == head
    assert len(token) <= wire.MAX_HEAD


@given(at=st.integers(0, len(TOKEN) - 1), letter=st.characters(codec="ascii"))
@settings(deadline=None)
def test_no_letter_can_be_changed(at, letter):
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    if changed != TOKEN:
        with pytest.raises(Refused):
            open_head(changed, KEY.public_key(), site="demo")


def test_a_signature_that_is_written_in_another_way_is_refused():
    others = {
        TOKEN.replace("-", "+").replace("_", "/"),
        *(TOKEN[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    }
    for other in others - {TOKEN}:
        with pytest.raises(Refused, match="not signed"):
            open_head(other, KEY.public_key(), site="demo")


@given(token=st.text(max_size=500))
def test_nothing_but_refused_comes_out_of_a_strange_text(token):
    with pytest.raises(Refused, match="not signed"):
        open_head(token, KEY.public_key(), site="demo")


def test_a_head_of_another_key_another_site_or_an_absurd_epoch_is_refused():
    with pytest.raises(Refused, match="not signed"):
        open_head(TOKEN, PrivateKey.generate().public_key(), site="demo")
    with pytest.raises(Refused, match="of the site demo, not of other"):
        open_head(TOKEN, KEY.public_key(), site="other")
    absurd = seal(structs.replace(HEAD, epoch=ABSURD_EPOCH + 1), site="demo", key=KEY)
    with pytest.raises(Refused, match="epoch"):
        open_head(absurd, KEY.public_key(), site="demo")


def test_nothing_else_that_the_controllers_key_signs_passes_for_a_head():
    text, _, signature = TOKEN.rpartition(".")
    bare = KEY.sign(text.encode())
    assert signature
    with pytest.raises(Refused):
        open_head(f"{text}.{bare.hex()}", KEY.public_key(), site="demo")
