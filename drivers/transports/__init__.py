"""The ways to speak with devices: each bounds its own time, and says where nothing usable came back."""
