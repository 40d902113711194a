"""Measurements that anyone can repeat; never run as tests."""
