from __future__ import annotations

import pytest

from drivers.transports.whatsminer_token import WhatsminerToken, md5_crypt


@pytest.mark.parametrize(
    ("password", "salt", "text"),  # as `openssl passwd -1 -salt` gives them
    [
        ("admin", "BQ5hoXV9", "RxmaDUO33TS7O26yeMHZ81"),
        ("super", "5QAHiKMb", "kVLc9u4uDoiEGY66A8b.X."),
        ("", "abc", "Or2rbeUYTvt12aiVzMuS/."),
        ("a much longer password than sixteen letters", "xy", "4UILd6/oMMW6t5I9Eh/H//"),
    ],
)
def test_the_hash_is_that_of_other_programs(password: str, salt: str, text: str) -> None:
    assert md5_crypt(password, salt) == text


def test_what_is_sealed_is_opened_by_the_same_password_alone() -> None:
    made = {"salt": "BQ5hoXV9", "new_salt": "6k2KPZ3f", "time": "5626"}
    token, other = WhatsminerToken.of("admin", **made), WhatsminerToken.of("root", **made)
    sealed = token.seal({"cmd": "power_off"})
    assert token.decrypt(sealed["data"]) == b'{"cmd":"power_off","token":"%s"}' % token.sign.encode()
    assert b"power_off" not in other.decrypt(sealed["data"])
    with pytest.raises(ValueError, match="base64"):
        token.decrypt("<html>")


def test_a_token_is_not_shown() -> None:
    token = WhatsminerToken.of("admin", salt="a", new_salt="b", time="1")
    assert token.sign not in repr(token)
