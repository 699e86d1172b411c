"""The point-in-time kernel: sort once, then every question is a range."""
