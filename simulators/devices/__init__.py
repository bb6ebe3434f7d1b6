"""Simulated devices that speak the protocols of real ones over real sockets, with every trap as a switch."""
