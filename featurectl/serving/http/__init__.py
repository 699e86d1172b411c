"""Bodies in and out: what is read of a request, how a refusal is answered."""
