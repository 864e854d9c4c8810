"""What imjoy knows, without doing anything: errors, results, paths. No I/O in here."""
