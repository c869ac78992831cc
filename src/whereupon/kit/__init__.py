"""The contract: what a component is and how it declares its settings; it imports nothing above host."""
