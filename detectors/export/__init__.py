"""Export: one checkpoint in the formats of the other runtimes. Each tool is imported only where it is used."""
