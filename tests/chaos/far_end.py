"""What notifications reach: a mail server, Slack and a webhook's receiver, each of which can misbehave."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from starlette.responses import Response

from kit.http import Receiver, http_server, slack_error, slack_server
from kit.smtp import DROP, Mailbox, smtp_server

HOOK = "/hook"
_POST = "/api/chat.postMessage"


@dataclass
class FarEnd:
    """The three of them."""

    mails: Mailbox
    slack: Receiver
    hooks: Receiver

    @property
    def smtp_url(self) -> str:
        return f"smtp://127.0.0.1:{self.mails.port}"

    @property
    def slack_url(self) -> str:
        return f"{self.slack.origin}/api/"

    @property
    def hook_url(self) -> str:
        return f"{self.hooks.origin}{HOOK}"

    def misbehave(self, random: Random, times: int) -> None:
        """Have each give so many bad answers to what comes next."""
        for _ in range(times):
            self.mails.answers.append(random.choice((DROP, "451 4.3.0 try later", "421 4.7.0 too busy")))
            self.slack.answers[_POST].append(
                random.choice((slack_error("ratelimited", 429, retry_after="1"), slack_error("internal_error", 503)))
            )
            self.hooks.answers[HOOK].append(Response(status_code=random.choice((429, 500, 503))))

    @property
    def bad_answers_left(self) -> int:
        """How many of them were not given yet."""
        return len(self.mails.answers) + len(self.slack.answers[_POST]) + len(self.hooks.answers[HOOK])

    def behave(self) -> None:
        """Answer well again."""
        self.mails.answers.clear()
        self.slack.answers[_POST].clear()
        self.hooks.answers[HOOK].clear()

    def attempts(self) -> dict[str, Counter[str]]:
        """How often each delivery has come, by channel and by the id that it carries for receivers to know repeats."""
        return {
            "email": Counter(
                str(mail.message["Message-ID"]).strip("<>").partition("@")[0] for mail in self.mails.mails
            ),
            "slack": Counter(str(request.json["client_msg_id"]) for request in self.slack.to(_POST)),
            "webhook": Counter(request.headers["webhook-id"] for request in self.hooks.to(HOOK)),
        }


@asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    """All three, on free ports of 127.0.0.1."""
    async with AsyncExitStack() as stack:
        yield FarEnd(
            mails=await stack.enter_async_context(smtp_server()),
            slack=await stack.enter_async_context(slack_server()),
            hooks=await stack.enter_async_context(http_server()),
        )
