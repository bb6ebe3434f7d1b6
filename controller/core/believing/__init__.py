"""Believing a meter: what its own readings, and the steps of the fleet, say about it. Doubt may tighten, never relax."""
