"""What there is, and what is to be had: the facts that an install is planned from. Read only."""
