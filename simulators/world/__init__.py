"""The simulated world: physics of every device, the true surplus, and the referee that judges the site."""
