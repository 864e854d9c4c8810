"""Calls over the wire, and what values become there."""
