"""A contract held against the model, its schema and data, or drafted from them; and its lint."""
