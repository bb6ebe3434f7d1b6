"""`surplusd demo`: a whole simulated site in processes of its own."""
