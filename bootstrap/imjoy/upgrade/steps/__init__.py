"""The steps of an upgrade: staged, tried, swapped in under the journal, and the way back."""
