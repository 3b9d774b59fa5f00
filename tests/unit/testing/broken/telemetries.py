"""Telemetries that are wrong in one way each, and a right one, each with its suite. Run by test_suites_catch.py."""

from __future__ import annotations

import time

import pytest

from alluxiofs.testing import CountingTelemetryContract, RecordingTelemetry


def suite(telemetry):
    class Suite(CountingTelemetryContract):
        telemetry_class = telemetry

        @pytest.fixture
        def count(self):
            return lambda telemetry, method, state: telemetry.count(method, state)

    return Suite


class Right(RecordingTelemetry):
    "Right."


class KnowsFewStates(RecordingTelemetry):
    "Fails on states that it does not know."

    def record_call(self, call):
        {"ok": 0, "timeout": 0}[call.state]
        super().record_call(call)


class KnowsFewEvents(RecordingTelemetry):
    "Fails on events without a worker."

    def record_event(self, event):
        event.worker.upper()


class ReadsAtOnce(RecordingTelemetry):
    "Asks what it watches when it is told of it."

    def watch(self, name, read):
        read()


class Slow(RecordingTelemetry):
    "Sends each call on before it returns."

    def record_call(self, call):
        time.sleep(0.002)
        super().record_call(call)


class Loses(RecordingTelemetry):
    "Adds without a lock."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        self.counted = {}

    def record_call(self, call):
        seen = self.counted.get((call.method, call.state), 0)
        if len(self.calls) % 100 == 0:
            time.sleep(0.0001)
        self.calls.append(call)
        self.counted[call.method, call.state] = seen + 1

    def count(self, method, state):
        return self.counted.get((method, state), 0)


class IgnoresStates(RecordingTelemetry):
    "Counts failures as successes."

    def count(self, method, state):
        return sum(1 for call in self.calls if call.method == method)


class Opens(RecordingTelemetry):
    "Opens a file when it is made."

    def __init__(self, *made_of):
        super().__init__(*made_of)
        open("metrics.txt", "w").close()


for telemetry in (Right, KnowsFewStates, KnowsFewEvents, ReadsAtOnce, Slow, Loses, IgnoresStates, Opens):
    globals()["Test" + telemetry.__name__] = suite(telemetry)
