"""Whether a challenger does as well as the champion beside which it is served."""
