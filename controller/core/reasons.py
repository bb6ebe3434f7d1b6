"""Why something is doubted, limited or refused: a code with parameters. Texts are made at the edge, see `controller.texts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

#: Values are plain, so that a reason can be written down anywhere and compared.
Parameter: TypeAlias = str | int | float


class Code(StrEnum):
    """What a reason is about; the names are part of the metrics and of the HTTP answers, so they stay."""

    # The site's mode.
    STARTING = "starting"
    STEADYING = "steadying"
    NO_TICK = "no_tick"
    TICK_STANDS = "tick_stands"
    STEP_FAILED = "step_failed"
    # What a source last gave instead of a value.
    SOURCE_LOST = "source_lost"
    SAMPLE_INVALID = "sample_invalid"
    SAMPLE_DOUBTED = "sample_doubted"
    SAMPLE_NOT_FINITE = "sample_not_finite"
    SAMPLE_ALL_ZERO = "sample_all_zero"
    VALUE_NOTED = "value_noted"
    # A meter, by its own samples.
    METER_NEVER_READ = "meter_never_read"
    METER_SILENT = "meter_silent"
    METER_OFF_GRID = "meter_off_grid"
    METER_OVER_RATING = "meter_over_rating"
    METER_OVER_AMPERES = "meter_over_amperes"
    METER_UNDER_AMPERES = "meter_under_amperes"
    METER_PHASES_APART = "meter_phases_apart"
    METER_FROZEN = "meter_frozen"
    COUNTERS_FROZEN = "counters_frozen"
    COUNTERS_REVERSED = "counters_reversed"
    COUNTERS_WITHOUT_POWER = "counters_without_power"
    COUNTERS_OFF = "counters_off"
    # A meter against the fleet, or against another meter.
    STEPS_NOT_FOLLOWED = "steps_not_followed"
    METERS_DISAGREE = "meters_disagree"
    METERS_SHORT = "meters_short"
    METER_ALONE = "meter_alone"
    METER_UNPROVEN = "meter_unproven"
    METER_UNCONFIRMED = "meter_unconfirmed"
    METER_CONFIRMED = "meter_confirmed"
    NO_SITE_METER = "no_site_meter"
    # The surplus.
    SURPLUS_NEVER_READ = "surplus_never_read"
    SURPLUS_SILENT = "surplus_silent"
    SURPLUS_STALE = "surplus_stale"
    SURPLUS_FROZEN = "surplus_frozen"
    # The fleet and the orders.
    LINK_DOWN = "link_down"
    LINK_LOST = "link_lost"
    SECOND_CONTROLLER = "second_controller"
    AGENT_SILENT = "agent_silent"
    AGENT_DEAF = "agent_deaf"
    DEVICE_LOST = "device_lost"
    DEVICE_DEFIANT = "device_defiant"
    DEVICE_RELUCTANT = "device_reluctant"
    STEP_DEFIED = "step_defied"
    OVER_ENVELOPE = "over_envelope"
    NODE_UNSEEN = "node_unseen"
    CARRIES_WORSE = "carries_worse"
    # A node that is cut off, and its contactor.
    NODE_TRIPPED = "node_tripped"
    TRIP_UNREADABLE = "trip_unreadable"
    CONTACTOR_DEFIANT = "contactor_defiant"
    CONTACTOR_UNPROVEN = "contactor_unproven"
    CONTACTOR_LOST = "contactor_lost"
    CONTACTOR_OPEN = "contactor_open"
    RESET_VOID = "reset_void"
    # People at work.
    LOCKED = "locked"
    LOCK_UNPROVEN = "lock_unproven"
    SITE_STOPPED = "site_stopped"
    LOCKS_MAY_BE_MISSING = "locks_may_be_missing"
    # Whether the site file is what runs.
    SITE_FILE_NOT_TAKEN = "site_file_not_taken"
    # Whether all orders are known.
    ORDERS_MAY_BE_MISSING = "orders_may_be_missing"
    # The wall clock.
    CLOCK_APART = "clock_apart"
    CLOCK_UNANCHORED = "clock_unanchored"
    CLOCK_UNKNOWN = "clock_unknown"
    CLOCK_UNSYNCHRONISED = "clock_unsynchronised"
    CLOCK_TURNED = "clock_turned"
    # What had to give way to a limit.
    TIMES_OVERRULED = "times_overruled"
    PROTECTION_OVERRULED = "protection_overruled"
    # What an agent has said, and the site file or nature does not know.
    DEVICES_MISSING = "devices_missing"
    DEVICES_UNDECLARED = "devices_undeclared"
    DEVICES_DIFFER = "devices_differ"
    WATTS_ABSURD = "watts_absurd"
    DEVICES_SHARED = "devices_shared"
    DEVICES_MOVED = "devices_moved"
    DEVICES_STAY = "devices_stay"
    POOLS_CHANGED = "pools_changed"
    HEAD_REFUSED = "head_refused"
    SET_REFUSED = "set_refused"
    # A message of the fleet that is refused; its subject is the agent, or the root node where no agent of the site is named.
    TOPIC_UNKNOWN = "topic_unknown"
    AGENT_UNKNOWN = "agent_unknown"
    MESSAGE_INVALID = "message_invalid"
    MESSAGE_NEVER_TAKEN = "message_never_taken"
    INVENTORY_UNKNOWN = "inventory_unknown"
    REPORT_OUT_OF_ORDER = "report_out_of_order"
    REPORT_OF_FORMER_START = "report_of_former_start"
    # An order or a release that is refused; its subject is the issuer.
    ORDER_FIELD_INVALID = "order_field_invalid"
    ORDER_FIELD_TWICE = "order_field_twice"
    ORDER_NODE_UNKNOWN = "order_node_unknown"
    ORDER_WITHOUT_POWER = "order_without_power"
    ORDER_ABSURD = "order_absurd"
    ORDER_SIZE_AMBIGUOUS = "order_size_ambiguous"
    ORDER_ENDS_BEFORE_START = "order_ends_before_start"
    ORDER_ENDED_ALREADY = "order_ended_already"
    ORDER_FIELD_UNKNOWN = "order_field_unknown"
    ORDER_RAMP_TOO_SLOW = "order_ramp_too_slow"
    ORDER_ENDED = "order_ended"
    ORDER_REVISION = "order_revision"
    ORDER_OVERTAKEN = "order_overtaken"
    ORDER_OF_ANOTHER = "order_of_another"
    ORDER_AMBIGUOUS = "order_ambiguous"
    ORDER_CONFLICT = "order_conflict"
    ORDER_UNKNOWN = "order_unknown"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_MANY_SCHEDULED = "too_many_scheduled"
    TOO_MANY_STATED = "too_many_stated"
    ORDER_STATED_ENDED = "order_stated_ended"
    ORDER_STATED_TWICE = "order_stated_twice"
    ISSUERS_MUST_STATE = "issuers_must_state"
    ISSUER_RETIRED = "issuer_retired"
    # A reset of a tripped node that is refused; its subject is who asked for it.
    RESET_NODE_UNKNOWN = "reset_node_unknown"
    RESET_WITHOUT_CONTACTOR = "reset_without_contactor"
    RESET_NOT_OPEN = "reset_not_open"
    RESET_IN_DOUBT = "reset_in_doubt"
    RESET_BELOW_OPEN = "reset_below_open"
    # A lock that is refused, or its end; its subject is who asked for it.
    LOCK_SUBJECT_UNKNOWN = "lock_subject_unknown"
    LOCK_UNKNOWN = "lock_unknown"
    # The word of a person for a meter that is refused; its subject is who gave it.
    CONFIRM_METER_UNKNOWN = "confirm_meter_unknown"
    CONFIRM_NOT_AWAITED = "confirm_not_awaited"
    # The word of somebody for the wall clock that is refused; its subject is who gave it.
    CLOCK_NOT_AS_STATED = "clock_not_as_stated"
    # What the answer to an order or a release says beside its outcome.
    ORDER_UNDER_FLOOR = "order_under_floor"
    ORDER_UNREACHABLE = "order_unreachable"
    ORDER_NOT_DURABLE = "order_not_durable"
    ORDER_ENDED_BEFORE = "order_ended_before"
    ORDER_END_WAITS = "order_end_waits"
    ORDER_END_PAST = "order_end_past"
    ORDER_WORKED_OUT_LATER = "order_worked_out_later"
    ORDER_TAKEN_LOWER = "order_taken_lower"
    ORDER_TAKEN_LONGER = "order_taken_longer"


#: Why a message, an order or a release is refused: such a reason happens, and is counted.
REFUSALS: Final = frozenset(
    {Code.TOPIC_UNKNOWN, Code.AGENT_UNKNOWN, Code.MESSAGE_INVALID, Code.MESSAGE_NEVER_TAKEN, Code.INVENTORY_UNKNOWN}
    | {Code.REPORT_OUT_OF_ORDER, Code.REPORT_OF_FORMER_START}
    | {Code.ORDER_FIELD_INVALID, Code.ORDER_FIELD_TWICE, Code.ORDER_NODE_UNKNOWN}
    | {Code.ORDER_WITHOUT_POWER, Code.ORDER_ABSURD, Code.ORDER_SIZE_AMBIGUOUS, Code.ORDER_ENDS_BEFORE_START}
    | {Code.ORDER_ENDED_ALREADY, Code.ORDER_CONFLICT, Code.ORDER_UNKNOWN, Code.TOO_MANY_ORDERS}
    | {Code.ORDER_FIELD_UNKNOWN, Code.ORDER_RAMP_TOO_SLOW, Code.ORDER_ENDED, Code.ORDER_REVISION, Code.ORDER_OVERTAKEN}
    | {Code.ORDER_OF_ANOTHER, Code.ORDER_AMBIGUOUS, Code.TOO_MANY_SCHEDULED, Code.TOO_MANY_STATED}
    | {Code.RESET_NODE_UNKNOWN, Code.RESET_WITHOUT_CONTACTOR, Code.RESET_NOT_OPEN, Code.RESET_IN_DOUBT}
    | {Code.LOCK_SUBJECT_UNKNOWN, Code.LOCK_UNKNOWN}
    | {Code.RESET_BELOW_OPEN}
    | {Code.ORDER_STATED_ENDED, Code.ORDER_STATED_TWICE, Code.ISSUERS_MUST_STATE, Code.ISSUER_RETIRED}
    | {Code.CONFIRM_METER_UNKNOWN, Code.CONFIRM_NOT_AWAITED}
    | {Code.CLOCK_NOT_AS_STATED}
)
#: What stands in the answer to an order or a release that is taken: counted as well.
ANSWERS: Final = frozenset(
    {Code.ORDER_UNDER_FLOOR, Code.ORDER_UNREACHABLE, Code.ORDER_NOT_DURABLE, Code.ORDER_ENDED_BEFORE}
    | {Code.ORDER_END_WAITS, Code.ORDER_END_PAST}
    | {Code.ORDER_WORKED_OUT_LATER, Code.ORDER_TAKEN_LOWER, Code.ORDER_TAKEN_LONGER}
)
#: What an agent's devices may be drawing beyond what they were told, by the agent.
OF_AGENTS: Final = frozenset({Code.AGENT_SILENT, Code.AGENT_DEAF, Code.DEVICE_LOST, Code.DEVICE_DEFIANT})
#: All others hold for as long as their cause does.
STATES: Final = frozenset(Code) - REFUSALS - ANSWERS


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    `subject`: the node, meter, agent or issuer that it is about, never a device or an order, so that series stay few; the
    source of the surplus counts as a meter, and what is about the whole site names its root node. `parameters`: by name, what a text about it needs; watts end in ``_w``.
    """

    code: Code
    subject: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
