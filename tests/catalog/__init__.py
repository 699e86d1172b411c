"""What there is: lists, pages of an object, search, lineage, statistics."""
