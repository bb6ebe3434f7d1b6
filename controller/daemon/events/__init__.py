"""What happens, in one sequence, for whoever follows it."""
