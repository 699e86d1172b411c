"""What `import featurectl` gives."""
