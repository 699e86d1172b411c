"""What is served: the registered project, its model versions loaded, its canaries."""
