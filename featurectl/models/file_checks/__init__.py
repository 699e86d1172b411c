"""What a model's file says, looked at before a library sees it."""
