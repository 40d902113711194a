"""The command ``compare``: one set of frames through every runtime and precision, each in a process of its own."""
