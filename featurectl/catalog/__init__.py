"""What there is: what is applied, object by object, as the registry has it."""
