"""Whereupon: she signs in, whereupon she gets a message that knows her."""

__version__ = "0.1.0"
