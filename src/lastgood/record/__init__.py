"""What a run leaves for people: kept evidence with secrets taken out, and the timeline."""
