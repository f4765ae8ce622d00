"""What a mail holds, whatever its message says."""

from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser

import pytest

from placet_notifier.channels.email import Server, parse_sender, render
from placet_notifier.domain import Delivery

Deliver = Callable[..., Delivery]

URL = "https://placet.example"
LINK = f"{URL}/approvals/00000000-0000-0000-0000-000000000007"


class Page(HTMLParser):
    """An HTML page's tags, text and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses |= {value for name, value in attrs if name in ("href", "src", "action") and value}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def mail(delivery: Delivery) -> EmailMessage:
    """As it is read at the other end."""
    rendered = render(delivery, sender=parse_sender("Placet <placet@example.com>"), public_url=URL)
    return message_from_bytes(rendered.as_bytes(policy=SMTP), EmailMessage, policy=SMTP)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_is_addressed_stable_and_marked_as_sent_by_a_machine(deliver: Deliver) -> None:
    """Each try carries the same Message-ID, and nobody's absence notice answers it."""
    headers = mail(deliver(title="Delete 42?"))

    assert headers["From"] == "Placet <placet@example.com>"
    assert headers["To"] == "ana@example.com"
    assert headers["Subject"] == "Delete 42?"
    assert headers["Message-ID"] == "<00000000-0000-0000-0000-000000000001@example.com>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers.get_content_type() == "multipart/alternative"


def test_both_bodies_say_the_same(deliver: Deliver) -> None:
    """Message, context, facts and link are in the text and in the HTML."""
    message = mail(deliver(context={"account": "ana & co"}, requested_by="ci"))
    text, page = body(message, "plain"), Page(body(message, "html"))

    for expected in ("Delete 42?", "ana & co", "delete-user/42", "legal", "ci", LINK):
        assert expected in text
        assert expected in "".join(page.text)


def test_a_mail_has_no_link_but_to_the_approval(deliver: Deliver) -> None:
    """Nothing in a mail decides, and nothing is fetched when it is opened."""
    message = mail(deliver())
    html = body(message, "html")
    page = Page(html)

    assert page.addresses == {LINK}
    assert not {"img", "form", "script", "link", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html


def test_hostile_text_stays_text(deliver: Deliver, hostile: str) -> None:
    """No message, title, context or name adds a header, a tag or a link."""
    plain_tags = Page(body(mail(deliver(title="t", message="m", context={"k": "v"}, requested_by="r")), "html")).tags
    message = mail(deliver(title=hostile, message=hostile, context={hostile: hostile}, requested_by=hostile))
    page = Page(body(message, "html"))

    assert message["Bcc"] is None
    assert message["To"] == "ana@example.com"
    assert len(message.keys()) == len(set(message.keys()))
    assert [tag for tag in page.tags if tag != "br"] == [tag for tag in plain_tags if tag != "br"]
    assert page.addresses == {LINK}


def test_a_long_message_is_shortened_with_a_link_to_all_of_it(deliver: Deliver, long: str) -> None:
    """50 KB never make a mail that a client cuts off above its link."""
    message = mail(deliver(message=long, context={"log": long}))

    assert len(message.as_bytes()) < 80_000
    for kind in ("plain", "html"):
        assert "This is shortened" in body(message, kind)
        assert LINK in body(message, kind)


def test_a_mail_follows_the_reader_between_light_and_dark(deliver: Deliver) -> None:
    """Styles are inline for old clients; the dark ones stay in a media query."""
    html = body(mail(deliver()), "html")

    assert "prefers-color-scheme: dark" in html
    assert '<h1 style="' in html


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost:1025", Server("localhost", 1025, None, None, tls=False, start_tls=None)),
        ("smtps://mail.example", Server("mail.example", 465, None, None, tls=True, start_tls=False)),
        ("smtp://a%40b:p%3Aw@mail.example", Server("mail.example", 587, "a@b", "p:w", tls=False, start_tls=True)),
        ("smtp://mail.example?starttls=required", Server("mail.example", 587, None, None, tls=False, start_tls=True)),
        ("smtp://u:p@mail.example?starttls=never", Server("mail.example", 587, "u", "p", tls=False, start_tls=False)),
    ],
)
def test_a_servers_url_is_read(url: str, server: Server) -> None:
    """A password leaves in the clear only where that is asked for by name."""
    assert Server.parse(url) == server


@pytest.mark.parametrize("url", ["http://u:s3cret@x", "smtp://u:s3cret@", "smtp://u:s3cret@x?startls=never", "x"])
def test_a_wrong_url_is_refused_without_being_shown(url: str) -> None:
    """A misspelt option is an error, and the error does not hold the password."""
    with pytest.raises(ValueError, match="not smtp") as refused:
        Server.parse(url)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "nobody", "A <a@b>\r\nBcc: c@d", "a@b, c@d", "<>"])
def test_a_wrong_sender_is_refused(text: str) -> None:
    """The sender is one address."""
    with pytest.raises(ValueError, match=r"not .Name <address>."):
        parse_sender(text)
