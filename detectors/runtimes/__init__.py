"""Runtimes: how a network is executed. Each imports its framework only when it is used."""
