from drivers.fleet.agent.pacing import AT_ONCE, NOT_LOWERING, RAISES_PER_S, TO_SILENT, Pacer, Urgency


def begun(pacer: Pacer, urgency: Urgency, wanted: int = 500, now_s: float = 0.0) -> int:
    return sum(pacer.may_begin(urgency, now_s) for _ in range(wanted))


def test_what_does_not_lower_leaves_room_for_what_does() -> None:
    pacer = Pacer()
    assert begun(pacer, Urgency.READ) == NOT_LOWERING
    assert begun(pacer, Urgency.LOWER) == AT_ONCE - NOT_LOWERING
    pacer.end(Urgency.READ)
    assert begun(pacer, Urgency.LOWER) == 1


def test_silent_devices_never_take_the_room_of_those_that_answer() -> None:
    pacer = Pacer()
    assert begun(pacer, Urgency.SILENT) == TO_SILENT
    assert begun(pacer, Urgency.READ) == NOT_LOWERING - TO_SILENT
    assert begun(pacer, Urgency.LOWER) == AT_ONCE - NOT_LOWERING


def test_lowers_are_bounded_together_with_all_else_and_are_not_slowed() -> None:
    assert begun(Pacer(), Urgency.LOWER) == AT_ONCE


def test_raises_are_slow_and_a_late_turn_makes_up_for_little() -> None:
    pacer = Pacer()
    raised = 0
    for tenth in range(1, 101):
        now = begun(pacer, Urgency.RAISE, now_s=tenth / 10)
        raised += now
        for _ in range(now):
            pacer.end(Urgency.RAISE)
    assert abs(raised - 10 * RAISES_PER_S) <= RAISES_PER_S / 5
    assert begun(pacer, Urgency.RAISE, now_s=1000.0) <= RAISES_PER_S / 5
