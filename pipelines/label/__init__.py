"""The command ``label``: a truth of events made by pressing a key at each, while the video plays."""
