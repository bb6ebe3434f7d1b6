"""Allocation by value: the allocator and its tables, values of modes, minimum times of devices."""
