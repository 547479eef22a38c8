"""Stand-ins that honour a contract before there is a model: a SavedModel, a fake server."""
