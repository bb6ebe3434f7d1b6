"""The fleet as the control sees it: what devices may be drawing, given every setpoint that may be in force."""
