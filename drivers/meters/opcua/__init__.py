"""Values of OPC UA servers: one connection an endpoint, one subscription for all of its points."""
