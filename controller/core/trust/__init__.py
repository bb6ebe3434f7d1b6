"""How far meters and their samples may be believed. Doubt may tighten, never relax."""
