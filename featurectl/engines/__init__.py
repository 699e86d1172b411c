"""Where rows are prepared and buckets run."""
