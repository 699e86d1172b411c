"""The aggregates of the language, one small class each."""
