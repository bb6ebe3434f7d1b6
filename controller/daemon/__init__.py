"""The daemon: configuration, tick, journal, metrics, supervision."""
