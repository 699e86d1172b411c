"""Results as text and other forms."""
