"""Reading online: what a caller asks, in which order the store is asked, and what its answers mean."""
