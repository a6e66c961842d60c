"""How well diagnoses are judged: a corpus of situations, and the program that measures by it."""
