"""What no state keeps any more: found, shown and removed."""
