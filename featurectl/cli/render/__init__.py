"""What belongs to one call: problems in its files, the forms that CI reads, a text as it goes to its terminal."""
