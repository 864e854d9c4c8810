"""What an upgrade is decided from: where the imjoy that runs came from, what is newer, and the room there is."""
