"""The alerter: puts every unhappy customer in front of somebody who can help."""
