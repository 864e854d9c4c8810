"""The steps of a plan that are work of their own: commands under a lock, packages, an environment of a conda."""
