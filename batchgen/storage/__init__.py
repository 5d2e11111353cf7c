"""What a run keeps on disk: commits in groups, its outputs, and room for both."""
