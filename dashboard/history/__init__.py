"""What a site counted and saw over time, in one SQLite file that stays small."""
