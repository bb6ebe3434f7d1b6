"""The contactors of nodes: what each is told, where it is, and how a person closes one again."""
