"""What a stranger might send, made by code, and what must hold whatever they send. docs/security.md has the table."""
