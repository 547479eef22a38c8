"""Kubernetes objects: kustomize base and overlays."""
