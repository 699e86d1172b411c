"""Predictions on the events of streams, made by workers as they take them."""
