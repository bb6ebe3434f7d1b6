"""The controller's side of the wire to the fleet."""
