"""Another version of a model is served, if it answers as it has to; else nothing has changed."""
