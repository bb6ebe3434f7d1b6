"""Whether the meters of one connection can all be asked as often as the site file says, told before the site runs."""

import pytest

MAIN = "modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}"


def of_line(count: int, keys: str) -> str:
    """More meters beside `main`, all behind one gateway."""
    return "".join(
        f"  - {{id: m{unit}, node: annex, rating: 120 kW, class: 1 %, modbus: {{host: 10.0.0.9, unit: {unit}, {keys}}}}}\n"
        for unit in range(1, count + 1)
    )


@pytest.fixture
def beside(small):
    return lambda more: small.replace("surplus:\n", more + "surplus:\n", 1)


PAC = "profile: siemens_pac3200_4200"


@pytest.mark.parametrize(
    ("count", "keys", "words"),
    [
        (6, f"{PAC}, answer_time: 150 ms", ""),
        (6, f"{PAC}, answer_time: 170 ms", "1 s for the 6 meters of one connection, which take 1.02 s for one round"),
        (6, "profile: schneider_pm5xxx, answer_time: 150 ms", "which take 1.8 s for one round of power and frequency"),
        (6, "profile: schneider_pm5xxx, answer_time: 150 ms, poll: 3 s", ""),
        (
            1,
            f"{PAC}, answer_time: 600 ms",
            "timeout: found '500 ms' by default; allowed is at least 0.6 s, which the answers",
        ),
        (60, f"{PAC}", ""),
    ],
)
def test_meters_that_cannot_be_in_time_are_told_beforehand(beside, complaints, load_text, count, keys, words):
    text = beside(of_line(count, keys)).replace("10.0.0.3", "10.0.0.8")
    text = text.replace("tick: 1 s\n", "tick: 1 s\ncontrol: {suspect_after: 6 s, bad_after: 12 s}\n")
    if words:
        assert any(words in line for line in complaints(text)), complaints(text)
    else:
        load_text(text)


@pytest.mark.parametrize(("baud", "words"), [(38400, ""), (2400, "which take")])
def test_on_a_serial_line_the_bits_are_added_up(beside, complaints, load_text, baud, words):
    serial = f"transport: rtu, serial: {{device: /dev/ttyS0, baud: {baud}}}, {PAC}"
    text = beside(of_line(6, serial).replace("host: 10.0.0.9, ", ""))
    if words:
        assert any(words in line for line in complaints(text))
    else:
        load_text(text)


def test_a_meter_whose_values_are_new_too_seldom_is_told_with_what_it_would_take(small, complaints):
    text = small.replace(MAIN, "modbus: {host: 10.0.0.1, profile: eig_shark_100, timeout: 2500 ms}")
    assert any(
        "'eig_shark_100', which has new values every 1 s; allowed is one that is quicker, or a suspect_after of at least 3.5 s"
        in line
        for line in complaints(text)
    )


def test_a_meter_that_counts_in_too_large_steps_is_told(small, complaints, load_text):
    text = small.replace(MAIN, "modbus: {host: 10.0.0.1, profile: sel_751a}")
    assert load_text(text)
    [line] = complaints(text.replace("sel_751a}", "sel_751a, ct_ratio: 10}"))
    assert "counts in steps of 10 kW; allowed is one whose steps are at most 5% of the rating" in line
