"""Executors without Beam: blocks of columns, streamed through as many processes as cores."""
