"""The online store in Amazon DynamoDB: an item for each row, written under conditions, read in batches."""
