"""Protocol-agnostic route rules."""
