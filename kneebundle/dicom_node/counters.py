"""What a node has done since it started, as numbers; nothing of a patient."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

__all__ = ["Counters"]

_HELP = {
    "films_received_total": "Films taken in.",
    "films_resent_total": "Films that came again and were answered from what is there.",
    "films_refused_total": "Films not taken in, by reason.",
    "films_predicted_total": "Films with results.",
    "films_failed_total": "Films that cannot be used, or whose results the PACS refused.",
    "fetch_failures_total": "Questions that the DICOMweb server that is looked at did not answer.",
    "prediction_seconds_total": "Time that predicting and writing results took.",
    "objects_sent_total": "Results that the PACS has taken, by kind.",
    "send_failures_total": "Tries to send that the PACS did not answer.",
}


class Counters:
    """Counts of a node, safe for threads.

    Example:
        >>> counters = Counters()
        >>> counters.add("objects_sent_total", kind="sr")
        >>> counters.total("objects_sent_total")
        1.0
    """

    def __init__(self) -> None:
        self.started = time.time()
        self.pacs_reached: bool | None = None
        self.source_reached: bool | None = None
        self._lock = threading.Lock()
        self._values: dict[tuple[str, str], float] = dict.fromkeys(
            ((name, "") for name in _HELP if name not in ("films_refused_total", "objects_sent_total")), 0.0
        )

    def add(self, name: str, value: float = 1.0, **label: str) -> None:
        """Add to a count, with one label or none."""
        key = (name, "".join(f'{{{label_name}="{text}"}}' for label_name, text in label.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + value

    def total(self, name: str) -> float:
        """The sum of a count over its labels."""
        with self._lock:
            return sum(value for (key, _), value in self._values.items() if key == name)

    def format_prometheus(self, waiting: Mapping[str, int]) -> str:
        """Format all as the text that Prometheus reads.

        Args:
            waiting: films in each folder of the queue.
        """
        lines = []
        with self._lock:
            values = sorted(self._values.items())
        for name, text in _HELP.items():
            lines += [f"# HELP kneebundle_{name} {text}", f"# TYPE kneebundle_{name} counter"]
            lines += [f"kneebundle_{name}{label} {value:g}" for (key, label), value in values if key == name]
        lines += ["# HELP kneebundle_films Films in each folder of the queue.", "# TYPE kneebundle_films gauge"]
        lines += [f'kneebundle_films{{folder="{folder}"}} {count}' for folder, count in waiting.items()]
        gauges = {"uptime_seconds": round(time.time() - self.started)}
        for other_side in ("pacs_reached", "source_reached"):
            reached = getattr(self, other_side)
            if reached is not None:
                gauges[other_side] = int(reached)
        for name, value in gauges.items():
            lines += [f"# TYPE kneebundle_{name} gauge", f"kneebundle_{name} {value}"]
        return "\n".join(lines) + "\n"
