"""What is known of a person at the moment: database, web API, memory; no store knows another component."""
