"""What a run writes to disk: commits in groups, its outputs, and the room for both."""
