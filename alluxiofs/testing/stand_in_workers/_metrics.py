"""What a stand-in worker shows at ``/metrics``: the calls as its side saw them, under the names of the clients'."""

from __future__ import annotations

from typing import Dict, Iterator, Optional

from alluxiofs.interfaces import Call
from alluxiofs.plugins._telemetry.catalogue import PAGE_STORE_PAGES, WORKER_LATENCY, WORKER_RESULT, Metric
from alluxiofs.plugins._telemetry.samples import bounds_of, histograms, numbers
from alluxiofs.plugins._telemetry.tally import Tally
from alluxiofs.testing.stand_in_workers._messages import Answer, Request

__all__ = ["Metrics", "asks_for_metrics"]

_METHODS = {"files": "ls", "page": "read", "data": "read", "chunk": "read", "head": "read", "tail": "read"}
"""Routes by the names of the operations that they are for; the others have the same name."""

_STATES = {401: "denied", 403: "denied", 404: "not_found", 409: "exists", 503: "unavailable"}


def asks_for_metrics(request: Request) -> bool:
    """Whether a request is for the page."""
    return request.method == "GET" and request.target.partition("?")[0] == "/metrics"


class Metrics:
    """Counts what was answered."""

    def __init__(self) -> None:
        self._tally = Tally()

    def count(self, route: str, answer: Optional[Answer], failed: bool, seconds: float) -> None:
        """One request was answered; ``failed``: with a fault."""
        state = "failed"
        if answer is not None and not failed:
            state = "ok" if answer.status < 400 else _STATES.get(answer.status, "failed")
        self._tally.add_call(Call("worker", "stand-in", _METHODS.get(route, route), state, seconds))

    def page(self, kept_pages: int) -> Answer:
        """The page, in the text format of Prometheus."""
        lines = [*self._lines(), *_head(PAGE_STORE_PAGES), f"{PAGE_STORE_PAGES.name} {float(kept_pages)}"]
        text = "".join(f"{line}\n" for line in lines)
        return Answer(content_type="text/plain; version=0.0.4; charset=utf-8", body=text.encode())

    def _lines(self) -> Iterator[str]:
        name = WORKER_LATENCY.name
        yield from _head(WORKER_LATENCY)
        for labels, one in sorted(dict(histograms(self._tally))[WORKER_LATENCY].items()):
            about = dict(zip(WORKER_LATENCY.labels, labels))
            for bound, count in zip((*bounds_of(WORKER_LATENCY), "+Inf"), one.counts):
                yield f"{name}_bucket{_text({'le': bound, **about})} {float(count)}"
            yield f"{name}_count{_text(about)} {float(one.counts[-1])}"
            yield f"{name}_sum{_text(about)} {one.total}"
        yield from _head(WORKER_RESULT, "_total")
        for labels, count in sorted(dict(numbers(self._tally))[WORKER_RESULT].items()):
            yield f"{WORKER_RESULT.name}_total{_text(dict(zip(WORKER_RESULT.labels, labels)))} {float(count)}"


def _head(metric: Metric, ending: str = "") -> Iterator[str]:
    yield f"# HELP {metric.name}{ending} {metric.help}"
    yield f"# TYPE {metric.name}{ending} {metric.kind.value}"


def _text(labels: Dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
