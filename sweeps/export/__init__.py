"""Policies of finished runs in formats that act without the trainer."""
