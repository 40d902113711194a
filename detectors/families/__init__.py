"""Families: how pictures go into a kind of network, and how boxes come out of it."""
