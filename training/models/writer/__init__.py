"""Film reviews written letter by letter, kind or unkind."""
