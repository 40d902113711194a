"""The YAML files: pydantic models, the loader, scenario presets and the model catalogue."""
