"""What people and monitoring see over HTTP: health and metrics."""
