"""What the objects of a repository mean: frozen, and as JSON."""
