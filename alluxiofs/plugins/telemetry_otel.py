"""Telemetry for OpenTelemetry: metrics and traces through its API, with the application's own providers."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import attrs
from attrs import define

from alluxiofs import forks
from alluxiofs.errors import MissingExtraError
from alluxiofs.interfaces import Call, Context, Event, Telemetry
from alluxiofs.plugins._telemetry import catalogue
from alluxiofs.plugins._telemetry.bulk import bulk_of, forget
from alluxiofs.plugins._telemetry.catalogue import BOUNDS, METRICS, Kind, Metric
from alluxiofs.plugins._telemetry.samples import numbers
from alluxiofs.plugins._telemetry.tally import Tally

__all__ = ["OtelTelemetry", "views"]

_SCOPE = "alluxiofs"

_Reader = Callable[[], Mapping[str, int]]


def _opentelemetry(module: str) -> Any:
    try:
        import opentelemetry.metrics
        import opentelemetry.propagate
        import opentelemetry.trace
    except ImportError as error:
        raise MissingExtraError("telemetry 'otel' needs OpenTelemetry: pip install 'alluxiofs[otel]'") from error
    return getattr(opentelemetry, module)


def _boundaries(metric: Metric) -> List[float]:
    return [round(bound * metric.scale, 6) for bound in BOUNDS]


def views() -> List[Any]:
    """The buckets of the histograms, for a ``MeterProvider(views=…)`` of OpenTelemetry before 1.30. Newer ones are told
    with the instruments."""
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    return [
        View(instrument_name=metric.name, aggregation=ExplicitBucketHistogramAggregation(_boundaries(metric)))
        for metric in METRICS
        if metric.kind is Kind.HISTOGRAM
    ]


def _checked_provider(method: str) -> Callable[[object, Any, Any], None]:
    def check(_instance: object, field: Any, provider: Any) -> None:
        if provider is not None and not callable(getattr(provider, method, None)):
            raise TypeError(f"{field.name!r} is a provider of OpenTelemetry, not {type(provider).__name__}")

    return check


class OtelTelemetry(Telemetry):
    """Records metrics and traces with OpenTelemetry, in the application's providers.

    All of it are integers that the provider asks for when it collects. Nothing global is set.
    """

    name = "otel"

    @define(frozen=True)
    class Settings:
        """Settings of the telemetry.

        Parameters
        ----------
        meter_provider:
            Where metrics go; by default what ``opentelemetry.metrics.get_meter_provider()`` gives at the first
            operation.
        tracer_provider:
            Where spans go: one for each operation of a filesystem, in it one for each call on the wire, and retries,
            failovers and fallbacks as its events. By default there are none.
        """

        meter_provider: Any = attrs.field(default=None, validator=_checked_provider("get_meter"))
        tracer_provider: Any = attrs.field(default=None, validator=_checked_provider("get_tracer"))

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        _opentelemetry("metrics")
        self._known: Optional[_Instruments] = None
        self._early: List[Tuple[str, _Reader]] = []  # who is watched from the first operation on
        self.traces = settings.tracer_provider is not None
        self._tracer = settings.tracer_provider.get_tracer(_SCOPE) if self.traces else None

    @property
    def _instruments(self) -> _Instruments:
        """Those of the provider: which one the application has set is asked with the first operation."""
        if self._known is None:
            with _lock:
                if self._known is None:
                    self._known = _instruments_of(self.settings.meter_provider)
                    while self._early:
                        self._known.tally.watch(*self._early.pop(0))
        return self._known

    def record_call(self, call: Call) -> None:
        """Count it, and add how long it took to a histogram."""
        self._instruments.record(call)

    def gather(self, hand_over: Callable[[], bool]) -> Optional[Callable[[Sequence[Call]], object]]:
        """Count many at once, whenever the provider collects, if its histograms can be told so."""
        return self._instruments.gather(hand_over)

    def record_event(self, event: Event) -> None:
        """Count it, and tell it to the span of the operation."""
        self._instruments.add(event)
        if self.traces:
            worker = {} if event.worker is None else {"alluxiofs.worker": event.worker}
            span = _opentelemetry("trace").get_current_span()
            span.add_event(event.kind, {"alluxiofs.reason": event.reason, **worker})

    def watch(self, name: str, read: _Reader) -> None:
        """Ask it whenever the provider collects."""
        with _lock:
            if self._known is None:
                self._early.append((name, read))
            else:
                self._known.tally.watch(name, read)

    def span(self, name: str, side: Optional[str] = None, worker: Optional[str] = None) -> ContextManager[object]:
        """A span of the application's tracer: of an operation, or of a call to a side."""
        return contextlib.nullcontext() if self._tracer is None else self._span(name, side, worker)

    @contextlib.contextmanager
    def _span(self, name: str, side: Optional[str], worker: Optional[str]) -> Iterator[None]:
        trace = _opentelemetry("trace")
        kind = trace.SpanKind.INTERNAL if side is None else trace.SpanKind.CLIENT
        facts = {"alluxiofs.side": side, "alluxiofs.worker": worker}
        attributes = {fact: value for fact, value in facts.items() if value is not None}
        # What an exception says may name a path, which is no business of a tracing system: its class is enough.
        with self._tracer.start_as_current_span(  # type: ignore[union-attr]  # there is one where it traces
            f"alluxiofs.{name}", kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(trace.Status(trace.StatusCode.ERROR))
                raise

    def headers(self) -> Mapping[str, str]:
        """The trace context, in the headers that ``OTEL_PROPAGATORS`` names (``traceparent`` …)."""
        carrier: Dict[str, str] = {}
        if self.traces:
            _opentelemetry("propagate").inject(carrier)
        return carrier


class _Instruments:
    """The instruments of one provider: made with the first record, once however many filesystems record there."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self.tally = Tally()
        self._made_of_it: List[Any] = []  # what the provider gave
        self._histograms: Optional[Dict[str, _Histogram]] = None
        self._renew()
        forks.in_child(self._renew)

    def _renew(self) -> None:
        # A thread that is only the parent's may have the old one. Re-entrant, as the module's.
        self._lock = threading.RLock()
        self._histograms = self._histograms or None
        forget(self._made_of_it)

    def record(self, call: Call) -> None:
        _, component, method, state = self.tally.add_call(call)
        histograms = self._histograms or self._made()
        histogram = histograms.get("worker" if call.target == "worker" else "under_store")
        if histogram is not None and histogram.bulk is None:
            histogram.record(call.seconds, component, method, state)

    def gather(self, hand_over: Callable[[], bool]) -> Optional[Callable[[Sequence[Call]], object]]:
        if any(histogram.bulk is None for histogram in self._made().values()):
            return None
        self.tally.gather(hand_over)
        return self._record_all

    def _record_all(self, calls: Sequence[Call]) -> None:
        histograms = self._made()
        if all(histogram.bulk is not None for histogram in histograms.values()):
            self.tally.add_calls(calls)
            return
        for call in calls:  # the provider has got another reader since
            self.record(call)

    def add(self, event: Event) -> None:
        if self._histograms is None:
            self._made()
        self.tally.add_event(event)

    def put(self) -> None:
        """Have the histograms told of the calls since the last time, where that is done all at once."""
        histograms = self._made()
        for taken in self.tally.take():
            histogram = histograms["worker" if taken.target == "worker" else "under_store"]
            if histogram.bulk is not None:
                attributes = histogram.attributes(taken.component, taken.method, taken.state)
                histogram.bulk.put(taken, attributes, histogram.metric.scale)
        for histogram in histograms.values():
            if histogram.bulk is not None and not histogram.bulk.stands:
                histogram.bulk = None

    def _made(self) -> Dict[str, _Histogram]:
        """None at all while they are made: for what the collector of garbage runs there, which is counted all the same.
        The provider is not to be asked for more then, which has locks of its own."""
        with self._lock:
            if self._histograms is None:
                self._histograms = {}
                try:
                    self._histograms = self._make()
                finally:
                    self._histograms = self._histograms or None
            return self._histograms or {}

    def _make(self) -> Dict[str, _Histogram]:
        meter = self._provider.get_meter(_SCOPE)
        made: List[Any] = []
        for metric in METRICS:
            if metric.kind is not Kind.HISTOGRAM:
                counter = metric.kind is Kind.COUNTER
                make = meter.create_observable_counter if counter else meter.create_observable_gauge
                made.append(make(metric.name, callbacks=[_Observed(self, metric)], description=metric.help))
        histograms = {
            "worker": _Histogram(meter, catalogue.WORKER_LATENCY),
            "under_store": _Histogram(meter, catalogue.UNDER_STORE_DURATION),
        }
        self._made_of_it = [*made, *(histogram.instrument for histogram in histograms.values())]
        return histograms


class _Histogram:
    """One of the two histograms, and how calls come into it: all at once when it is collected, or one by one."""

    def __init__(self, meter: Any, metric: Metric) -> None:
        self.metric = metric
        self.instrument = _histogram(meter, metric)
        self.bulk = bulk_of(self.instrument, _boundaries(metric))

    def attributes(self, component: str, method: str, state: str) -> Dict[str, str]:
        """The labels of a call."""
        if self.metric is catalogue.WORKER_LATENCY:
            return {"method": method, "success": "true" if state == "ok" else "false"}
        return {"method": method, "state": state, "under_store": component}

    def record(self, seconds: float, component: str, method: str, state: str) -> None:
        """Tell of one call."""
        self.instrument.record(seconds * self.metric.scale, self.attributes(component, method, state))


def _histogram(meter: Any, metric: Metric) -> Any:
    # The unit is in the name, which is the contract's: exporters would add a unit of ours to it once more.
    try:
        return meter.create_histogram(
            metric.name, description=metric.help, explicit_bucket_boundaries_advisory=_boundaries(metric)
        )
    except TypeError:  # before 1.30, where only the provider's views can say it
        return meter.create_histogram(metric.name, description=metric.help)


class _Observed:
    """What the provider asks for one metric when it collects."""

    def __init__(self, instruments: _Instruments, metric: Metric) -> None:
        self._instruments = instruments
        self._metric = metric

    def __call__(self, _options: object) -> Iterable[Any]:
        observation = _opentelemetry("metrics").Observation
        if self._metric is catalogue.WORKER_RESULT:  # all are asked before the histograms are collected
            self._instruments.put()
        for metric, values in numbers(self._instruments.tally):
            if metric is self._metric:
                return [observation(value, dict(zip(metric.labels, labels))) for labels, value in values.items()]
        return []


# Re-entrant: while one has it the collector of garbage may run whatever records.
_lock = threading.RLock()
# By the id of the provider, which they hold: whoever records there has them, and the provider itself, for it asks them.
_by_provider: weakref.WeakValueDictionary[int, _Instruments] = weakref.WeakValueDictionary()
_default: Optional[_Instruments] = None
"""Those of the provider that the application has set for all. Before it has, that is one that stands in front of it."""


def _instruments_of(given: Any) -> _Instruments:
    """Those of a provider, the same ones however many filesystems record there and whichever way it was named;
    ``None``: of the one that the application has set. Under the lock."""
    global _default
    provider = given
    if given is None or _default is not None:
        for_all = _opentelemetry("metrics").get_meter_provider()
        provider = for_all if given is None else given
        if _default is not None and provider is for_all:
            return _default
    found = _by_provider.get(id(provider))
    if found is None:
        found = _by_provider[id(provider)] = _Instruments(provider)
    if given is None:
        _default = found
    return found


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # a thread that is only the parent's may have it


forks.in_child(_after_fork)
