"""What the components do: each function runs in its step's own process."""
