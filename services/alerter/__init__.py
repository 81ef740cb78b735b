"""The alerter: brings every unhappy customer to the attention of somebody who can help."""
