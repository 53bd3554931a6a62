"""From a moment of a conversation to the passages that are worth telling: query, ranking, floor, diversity."""
