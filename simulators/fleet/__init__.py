"""The simulated fleet: the real agents over simulated hardware."""
