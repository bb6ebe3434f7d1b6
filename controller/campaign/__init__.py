"""Runs of the controller against simulated worlds."""
