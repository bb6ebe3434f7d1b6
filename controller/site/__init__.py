"""The site file: strict YAML to typed models, every mistake with its place, and the columns of the core."""
