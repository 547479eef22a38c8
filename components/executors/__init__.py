"""What the components do: each function runs inside its step's process, and imports what it needs."""
