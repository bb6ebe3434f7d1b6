"""What the readings since the last grant have shown of one device: a proof, or that it draws too much. Pure."""

from __future__ import annotations

from typing import Final

from drivers.fleet.agent.proof import Sight
from drivers.fleet.agent.steps import Told
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Proof

#: Room for noise and for the readings beside a device's own time.
GRACE_S: Final = 0.5
#: Watts above a setpoint count from the second reading in a row, so that no noise makes a command.
_ABOVE: Final = 2
#: Watts alone prove from the second reading in a row.
_IN_BAND: Final = 2


class Evidence:
    """`proof` stands; `over`: the device runs on more than it was told; `drifted`: it had a proof, and has lost it."""

    def __init__(self) -> None:
        self.proof = Proof.NONE
        self.over = self.drifted = False
        self._in_band = self._above = 0

    def forget(self) -> None:
        """Begin anew: what is to be shown has changed."""
        self.proof, self.drifted, self._in_band = Proof.NONE, False, 0
        self.is_down()

    def is_down(self) -> None:
        """Note that its power was cut: what it drew before says nothing."""
        self.over, self._above = False, 0

    def lose(self) -> None:
        """Note that nothing is seen of the device."""
        self.proof, self._in_band = Proof.NONE, 0

    def weigh(self, sight: Sight, *, named_above: bool) -> None:
        """Take what a reading shows against the device."""
        self._above = self._above + 1 if sight.above else 0
        self.over = named_above or self._above >= _ABOVE

    def prove(
        self, sight: Sight, told: Told | None, model: Model, *, brought_down: bool, off: bool, now_s: float
    ) -> None:
        """Take what a reading shows for it. `off`: it is to be off; `brought_down`: by more than being told."""
        before, proof = self.proof, sight.proof
        self._in_band = self._in_band + 1 if proof in {Proof.WATTS, Proof.BOTH} else 0
        if told is None or not (told.accepted or brought_down):
            proof = Proof.NONE  # one that is off by itself may come back to what it ran on: it is told again
        elif proof is Proof.WATTS and self._in_band < _IN_BAND:
            proof = before if before is Proof.WATTS else Proof.NONE
        elif proof is not Proof.NONE and (
            (told.lowers and sight.moving) or not (sight.measured and (model.steady or off))
        ):
            # It may be on its way down, unseen: it says so, nothing measures it, or a draw below its cap says nothing of the cap.
            proof = proof if now_s >= told.at_s + model.down_s + GRACE_S else Proof.NONE
        self.proof = proof
        self.drifted = proof is Proof.NONE and (self.drifted or before is not Proof.NONE)
