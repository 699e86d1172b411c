"""What goes on in an environment: freshness, checks, drift, skew, canaries, alerts, sizes."""
