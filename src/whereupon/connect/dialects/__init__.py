"""What each of the three database servers says differently; values in, SQL out, no connection."""
