"""What the inputs and the scores of a model are like: bins with counts and sums, and categories with counts."""
