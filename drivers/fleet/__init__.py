"""The wire to the fleet: contract, link, agent."""
