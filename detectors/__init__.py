"""Detectors: a family (pre- and post-processing) on a runtime (how a network is executed)."""
