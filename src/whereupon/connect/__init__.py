"""The lines out: databases, SQL conditions, HTTP, TLS, probes; it imports nothing above kit."""
