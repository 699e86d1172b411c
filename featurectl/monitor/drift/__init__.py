"""How far the features and the scores of a model have moved since it was trained."""
