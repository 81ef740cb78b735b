"""The words customers read in every channel, by language, and the rule how a campaign's own go before ours."""
