"""Mail servers by their URL."""

from shared.mail.server import server_from


def test_mail_servers_by_their_address() -> None:
    server = server_from("smtp+starttls://shop:p%40ss@mail.example")
    assert (server.host, server.port, server.start_tls, server.user, server.password) == (
        "mail.example", 587, True, "shop", "p@ss",
    )  # fmt: skip
    assert "p@ss" not in repr(server)
    assert server_from("smtps://mail.example").tls
    assert server_from("smtp://mail.example:2525").port == 2525
