"""The load harness: a real daemon and a real broker, with as many light agents as a large site has."""
