"""The API of the page under ``/api``: one router for each subject."""
