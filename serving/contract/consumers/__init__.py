"""Requests that applications recorded: held against a contract, sent to a model server."""
