"""Long campaigns: `make verify`. Each writes what it found as JSON."""
