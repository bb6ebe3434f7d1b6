"""The agent beside the devices: lease holder and hardware."""
