"""The contract between a model and the applications that call it: one file, and what follows."""
