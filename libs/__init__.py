"""What the services share. Nothing here imports a service."""
