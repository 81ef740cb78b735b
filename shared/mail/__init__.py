"""Email: addresses, the bytes of a message, and handing it to a mail server over SMTP."""
