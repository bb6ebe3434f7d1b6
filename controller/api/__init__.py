"""HTTP: orders, status, health, metrics."""
