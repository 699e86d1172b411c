"""Alerts: what is observed, what follows of it, and who is notified."""
