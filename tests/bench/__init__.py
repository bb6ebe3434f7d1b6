"""Figures beside their baselines, measured in one run: `make bench`."""
