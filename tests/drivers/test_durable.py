"""Files are replaced whole, or stay as they were."""

import msgspec
import pytest

from drivers.durable import read_summed, replace_file, replace_summed
from drivers.errors import Refused

MOST = 1000


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    watts: int


class Other(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


def test_a_file_is_replaced_for_its_owner_alone(tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    path.chmod(0o644)
    replace_file(path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_files_that_differ_in_their_ending_alone_are_not_mixed_up(tmp_path):
    """What is written for one must not lie where the other's is."""
    (tmp_path / "hall.new").write_bytes(b"of somebody else")
    replace_file(tmp_path / "hall.json", b"mine")
    assert (tmp_path / "hall.new").read_bytes() == b"of somebody else"


def test_a_folder_is_made_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "not" / "mounted"
    with pytest.raises(FileNotFoundError):
        replace_file(path, b"")
    replace_file(path, b"1", make_folder=True)
    assert path.read_bytes() == b"1"


def test_what_has_its_sum_comes_back_and_no_bit_of_it_may_change(tmp_path):
    path = tmp_path / "kept"
    assert read_summed(path, MOST, Kept) is None
    replace_summed(path, Kept(3500))
    assert read_summed(path, MOST, Kept) == Kept(3500)
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(Refused, match=f"{path}: it is damaged"):
            read_summed(path, MOST, Kept)


def test_what_is_too_long_of_another_kind_or_unreadable_is_refused_by_name(tmp_path):
    path = tmp_path / "kept"
    replace_summed(path, Kept(3500))
    with pytest.raises(Refused, match=f"{path}: it is damaged"):
        read_summed(path, 20, Kept)
    with pytest.raises(Refused, match=f"{path}: .*watts"):
        read_summed(path, MOST, Other)
    with pytest.raises(Refused, match=f"{tmp_path}: "):
        read_summed(tmp_path, MOST, Kept)
