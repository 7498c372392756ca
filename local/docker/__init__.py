"""What runs in containers, and in them."""
