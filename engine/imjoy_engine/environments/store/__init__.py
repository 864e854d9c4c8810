"""The environments of a workspace: made once, listed, exported, packed, and collected when nobody uses them."""
