"""A module file; it is only named, never called."""
