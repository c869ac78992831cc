"""The schema of the system database."""
