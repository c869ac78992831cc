"""The nouns: frozen values and pure functions; no I/O, no SQL, no Qt, and it imports no other layer."""
