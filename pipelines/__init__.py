"""From boxes to meaning: tracker, rules, messages, sinks, and the runner that drives them."""
