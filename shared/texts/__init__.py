"""The texts customers read in every channel, by language, and how a campaign's own take precedence."""
