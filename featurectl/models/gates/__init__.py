"""What a version of a model is held to: a class a gate, each with its name, what it asks and how it is measured."""
