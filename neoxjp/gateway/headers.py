"""The security headers of each answer.

Gradio 6.31 compiles the template, the style and the script of each `gr.HTML` with `new Function`, and its page has scripts and
styles in the HTML itself: `script-src` cannot do without 'unsafe-inline' and 'unsafe-eval'. Its page has `<base href="./">`:
`base-uri` is 'self', not 'none'.
"""

SHARED_PAGE = "https://gradio.s3-us-west-2.amazonaws.com"  # a page behind a gradio.live tunnel loads Gradio's scripts from here
SPACE_FRAMES = ("https://huggingface.co",)  # shows a Space in a frame


def security_headers(*, frames: tuple[str, ...] = (), shared: bool = False) -> list[tuple[bytes, bytes]]:
    """The headers as (name, value).

    Args:
        frames: other origins that may show the page in a frame.
        shared: the page is behind a gradio.live tunnel.
    """
    own = ("'self'", *([SHARED_PAGE] if shared else []))
    policy = {
        "default-src": own,
        "script-src": (*own, "'unsafe-inline'", "'unsafe-eval'"),
        "style-src": (*own, "'unsafe-inline'"),
        "img-src": (*own, "data:", "blob:"),
        "font-src": (*own, "data:"),
        "connect-src": own,
        "media-src": ("'none'",),
        "frame-src": ("'none'",),
        "object-src": ("'none'",),
        "base-uri": ("'self'",),
        "form-action": ("'self'",),
        "frame-ancestors": ("'self'", *frames),
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]
