"""Where frame results go: files, an annotated video, MQTT."""
