"""Where messages go: web hook, mail, store, file, memory; no channel knows another component."""
