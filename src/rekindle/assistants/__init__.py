"""Who answers: definitions, models, the offline model, tools."""
