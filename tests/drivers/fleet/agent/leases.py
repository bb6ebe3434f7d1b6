"""A lease holder of four devices, read by their ids, and the statements that it is offered."""

from __future__ import annotations

from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Echo, Set

MODELS = load_catalogue()
DEVICES = {
    "a-s21": LeasedDevice(model=MODELS["antminer-s21"], failsafe_w=0),
    "b-s19k": LeasedDevice(model=MODELS["antminer-s19k-pro"], failsafe_w=1100),
    "c-gpu": LeasedDevice(model=MODELS["hgx-h100"], failsafe_w=4000),
    "d-narrow": LeasedDevice(model=MODELS["antminer-s21"], failsafe_w=9999, max_w=2000),
}
OFF = {id_: device.at_most(0) for id_, device in DEVICES.items()}
FULL = {"a-s21": 3500, "b-s19k": 2794, "c-gpu": 10200, "d-narrow": 2000}
FAILSAFE = {"a-s21": 25, "b-s19k": 1080, "c-gpu": 4000, "d-narrow": 2000}
T0 = 1_000_000
TTL = 30_000


IDS = sorted(DEVICES)
INVENTORY = "0123456789abcdef"


def column(watts: dict[str, int]) -> list[int]:
    return [watts[id_] for id_ in IDS]


class Lease(LeaseHolder):
    """The lease holder as the tests read it: by id."""

    @property
    def setpoints(self) -> dict[str, int]:
        return dict(zip(IDS, self.setpoints_w, strict=True))

    def told(self, watts: dict[str, int]) -> None:
        self.took([watts.get(id_, 0) for id_ in IDS])


def holder(*, held: Held | None = None, now_ms: int = T0, settle_s: float = 15.0, boot: str = "b1") -> Lease:
    return Lease(
        agent="hall-a",
        boot=boot,
        devices=DEVICES,
        inventory=INVENTORY,
        settle_s=settle_s,
        held=held or Held(),
        now_ms=now_ms,
    )


def statement(
    seq: int,
    setpoints=None,
    *,
    at: int | None = T0,
    boot: str = "b1",
    epoch: int = 1,
    ttl_ms=TTL,
    same_as=None,
    head: str | None = None,
    inventory: str = INVENTORY,
):
    return Set(
        v=2,
        site="s",
        agent="hall-a",
        key="controller",
        epoch=epoch,
        seq=seq,
        ttl_ms=ttl_ms,
        echo=None if at is None else Echo(boot=boot, boottime_ms=at),
        head=head,
        inventory=inventory,
        setpoints_w=column(setpoints) if isinstance(setpoints, dict) else setpoints,
        same_as=same_as,
    )


def granted(**kwargs) -> Lease:
    lease = holder(**kwargs)
    lease.offer(statement(1, FULL), T0)
    lease.told(lease.setpoints)
    assert lease.setpoints == FULL
    return lease
