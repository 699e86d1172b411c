"""The state of streams in an online store: the register of stamps, and a list of elements per view and entity."""
