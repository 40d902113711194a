"""What people, machines and monitoring see over HTTP: the page and its API, health and metrics."""
