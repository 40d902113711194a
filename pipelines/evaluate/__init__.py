"""Results against the truth: detection, tracking, counts and events."""
