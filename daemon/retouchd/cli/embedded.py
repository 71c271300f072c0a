"""
`retouchd sandbox`: the embedded endpoint on a port of its own.
"""

from rich.console import Console

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.server import run


def serve(*, port: int, key: str | None) -> None:
    """
    Serve until interrupted. Raises RetouchdError if the port is taken.
    """
    console = Console(highlight=False, soft_wrap=True)

    def ready(url: str) -> None:
        console.print(
            f"The embedded endpoint listens on [bold]{url}[/]. It is no AI. Ctrl-C stops it."
        )
        console.print("To use it, set in config.toml, or in the environment of `retouchd run`:")
        console.print(
            f'  endpoint.base_url = "{url}"   (RETOUCHD_ENDPOINT__BASE_URL={url})', soft_wrap=True
        )
        console.print(f"  endpoint.api_key: {'the key given here' if key else 'any, or none'}")

    run(build_app(Rules(api_key=key)), host="127.0.0.1", port=port, ready=ready)
