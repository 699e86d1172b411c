"""YAML as it is written: nodes, their places, and the files that hold them."""
