"""A page that loads nothing but what its own server gives: the browser is told to refuse the rest."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


HEADERS = {
    # Gradio compiles its templates in the browser, and puts styles and a configuration into the page.
    "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'self'",
    "referrer-policy": "no-referrer",
}


class OwnOriginOnly:
    """Middleware that sends a content security policy with every answer.

    Args:
        app: that answers.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the policy in the header."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_policy)
