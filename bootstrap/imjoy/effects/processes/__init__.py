"""Processes: started, known again, and ended with us."""
