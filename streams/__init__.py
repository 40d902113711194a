"""Frames in (files, cameras), bytes and messages out (MQTT, files, video)."""
