"""How a person's talks develop: themes over time, milestones, breakthroughs."""
