"""
Where the key comes from, and what the operator is told where the endpoint does not take it.
"""

from dataclasses import dataclass

_WANT_A_KEY = {"api.openai.com"}
APPLY = "then reload or restart retouchd"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """
    Where the key stands, empty where none is set, and what to do where it should be another one.
    """

    place: str = ""
    remedy: str = (
        "Set the environment variable RETOUCHD_ENDPOINT__API_KEY to your key and start retouchd again, or set "
        f"endpoint.api_key_file to a file that holds it, {APPLY}."
    )

    @property
    def complaint(self) -> str:
        """
        Return what is wrong where the endpoint asks for a valid key.
        """
        if not self.place:
            return "No key is set, and the endpoint wants one"
        return f"The endpoint does not accept the key from {self.place}"


NO_KEY = KeySource()
"""Nothing is set, and nothing is known of where it would be."""


def lack_of_key(host: str, key: KeySource) -> str | None:
    """
    Return why a host cannot be asked without a key, None where it has one or may need none.
    """
    if key.place or host.lower().rstrip(".") not in _WANT_A_KEY:
        return None
    return f"No key is set, and {host} wants one. {key.remedy}"
