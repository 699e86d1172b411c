"""What is registered, and where it is kept."""
