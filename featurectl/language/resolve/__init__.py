"""Shapes -> definitions: names looked up, references checked."""
