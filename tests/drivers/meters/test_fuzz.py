"""The fuzzing of `make verify`, a few seconds of it, and that it finds what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.meters.codec import decode
from drivers.meters.dlms import hdlc
from drivers.meters.dlms.protection import Protection
from drivers.meters.payloads import fields
from drivers.modbus import frames as framing
from tests.verify.fuzz import campaign as campaigns
from tests.verify.fuzz import files, values
from tests.verify.fuzz.campaign import KINDS, campaign, run_batch


class Everything(bytes):
    """A checksum that is equal to all."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __ne__(self, other):
        return False


SHORT = {
    "values": 40_000,
    "answers": 1_000,
    "frames": 20_000,
    "dlms": 5_000,
    "payloads": 500,
    "opcua_units": 20_000,
    "opcua_values": 2_000,
    "plans": 300,
    "files": 300,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_batch_finds_nothing_and_accepts_some(kind):
    batch = run_batch(kind, seed=7, inputs=SHORT[kind])
    assert batch.finding == ""
    assert 0 < batch.accepted < 20 * batch.inputs


def test_the_kinds_are_ten_million_inputs_in_all():
    assert sum(kind.inputs for kind in KINDS.values()) >= 10_000_000
    assert all(kind.inputs % kind.batch == 0 for kind in KINDS.values())


def test_a_decoder_that_takes_a_marker_for_a_value_is_found(monkeypatch):
    monkeypatch.setattr(values, "decode", lambda register, parts: decode(replace(register, invalid=()), parts))
    finding = run_batch("values", seed=7, inputs=40_000).finding
    assert finding.startswith("python -m tests.verify.fuzz values --seed 7 --inputs 40000: AssertionError: Register(")
    assert finding.endswith("the meter shows None")


def test_a_reader_that_takes_a_text_for_a_number_is_found(monkeypatch):
    read = fields._number
    monkeypatch.setattr(fields, "_number", lambda raw, written, spot: read(raw, True, spot))
    assert "AssertionError" in run_batch("payloads", seed=7, inputs=500).finding


def test_a_framing_that_does_not_check_is_found(monkeypatch):
    monkeypatch.setattr(framing.FramerRTU, "check_CRC", lambda *_: True)
    assert "was not" in run_batch("frames", seed=7, inputs=5_000).finding


def test_a_message_that_is_opened_unchecked_is_found(monkeypatch):
    def opened(self, counter: bytes, content: bytes) -> bytes:
        mode = modes.GCM(self._their_title + counter)
        return Cipher(algorithms.AES(self._keys.encryption), mode).encryptor().update(content[:-12])

    monkeypatch.setattr(Protection, "_opened", opened)
    assert "AssertionError" in run_batch("dlms", seed=7, inputs=2_000).finding


def test_a_frame_whose_checksum_nobody_looks_at_is_found(monkeypatch):
    monkeypatch.setattr(hdlc, "checksum", lambda content: Everything())
    assert "was not sent" in run_batch("dlms", seed=7, inputs=5_000).finding


def test_a_loader_that_raises_something_else_is_found(monkeypatch):
    def parse(text: str, name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(files, "parse_profile", parse)
    assert "KeyError: 'some.yaml'" in run_batch("files", seed=7, inputs=1).finding


def test_a_loader_that_hangs_is_found(monkeypatch):
    def parse(text: str, name: str) -> None:
        while True:
            pass

    monkeypatch.setattr(files, "parse_profile", parse)
    monkeypatch.setattr(campaigns, "HANGS_AFTER_CPU_S", 0.1)
    finding = run_batch("files", seed=7, inputs=1).finding
    assert finding.startswith("python -m tests.verify.fuzz files --seed 7 --inputs 1: TimeoutError: more than 0.1 CPU")


def test_the_campaign_counts_what_its_processes_did(tmp_path, capsys):
    small = {name: replace(kind, inputs=20, batch=10) for name, kind in KINDS.items()}
    assert campaign(tmp_path, kinds=small) == dict.fromkeys(KINDS, "passed")
    report = json.loads((tmp_path / "fuzz.json").read_text())
    assert report["inputs"] == 20 * len(KINDS)
    assert {row["inputs"] for row in report["kinds"].values()} == {20}
    assert f"{20 * len(KINDS)} inputs in all" in capsys.readouterr().out
