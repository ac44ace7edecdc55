"""Requests that take longer than a switch, begun before it."""

import threading
import urllib.request
from dataclasses import dataclass, field

from deploy.values.inventory import Host


@dataclass
class InFlight:
    """Slow requests to a host, each on a connection of its own, and what came of them."""

    host: Host
    seconds: float
    """How long the application takes for each."""
    answers: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, number: int = 5) -> None:
        """Send them all, and go on."""
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(number)]
        for thread in self.threads:
            thread.start()

    def wait(self) -> list[str]:
        """The statuses, or what went wrong, once all have ended."""
        for thread in self.threads:
            thread.join(self.seconds + 60)
        return self.answers

    def _ask(self) -> None:
        try:
            url = f"{self.host.url}/slow?{self.seconds:g}"
            with urllib.request.urlopen(url, timeout=self.seconds + 30) as response:
                self.answers.append(str(response.status))
        except OSError as error:
            self.answers.append(repr(error))
