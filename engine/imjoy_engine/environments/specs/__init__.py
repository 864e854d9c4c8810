"""What a plugin asks for, and what it means: read, parsed, in one normal form; nothing is built here."""
