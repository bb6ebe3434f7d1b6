"""Mutation testing of `controller/core`: small faults are put in one by one, and the tests must find them."""
