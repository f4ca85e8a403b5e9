"""The engine beyond one machine: DynamoDB, and what speaks its protocol."""
