"""Carries out approved plans: who may act (lease), what is done and undone, and how health is judged over time."""
