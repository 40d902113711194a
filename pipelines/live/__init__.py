"""Live operation: many cameras, few models, for months."""
