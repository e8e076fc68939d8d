"""What several tasks share: models as oracles, their measured quality, Design-Bench's rules."""
