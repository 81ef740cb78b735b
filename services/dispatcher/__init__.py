"""The dispatcher: decides which customer is asked, when, and why not."""
