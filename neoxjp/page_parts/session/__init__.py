"""What a page holds: the loaded model and what is asked of it, and each visitor's share of it."""
