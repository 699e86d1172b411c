"""The routes, one module each; `table` lists them."""
