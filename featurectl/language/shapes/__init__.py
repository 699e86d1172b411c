"""The language, as it is written: the shape of every object, read by pydantic."""
