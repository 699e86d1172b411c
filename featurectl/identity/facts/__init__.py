"""The facts of an object: its fields as they decide equality, and as people write them."""
