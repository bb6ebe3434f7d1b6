"""From the meters of the site file to running drivers."""
