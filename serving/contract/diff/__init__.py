"""What changes for callers between two contracts, and where the other one is found."""
