"""The addresses to open once a stack is up."""

from urllib.parse import quote

from deploy.local.ports import HOST


def sign_in_link(port: int, api_key: str) -> str:
    """Opens the sign-in page of a dashboard or an inbox with the key filled in.

    The key is in the fragment, which browsers do not send.
    """
    return f"http://{HOST}:{port}/sign-in?next=/#key={quote(api_key)}"
