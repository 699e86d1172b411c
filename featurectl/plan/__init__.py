"""What `apply` would do, and why: pure functions."""
