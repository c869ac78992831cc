"""The schema of the Streams database."""
