"""Verbs about the installation: made, put right, brought up to date, taken away."""
