"""Pictures to learn from: cohorts on disk, what is burned into them, and how they are varied."""
