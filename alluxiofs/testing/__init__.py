"""What plugin authors test with: contract suites to subclass, and stand-ins for what is around a plugin.

A contract suite is a pytest class. Subclass it, override its fixtures to say how your component is made, and every
promise that the rest of the package relies on is tested::

    from alluxiofs.testing import WorkerPolicyContract

    class TestFirstWorker(WorkerPolicyContract):
        policy_class = FirstWorker

Only the suites need pytest and hypothesis (``pip install 'alluxiofs[testing]'``); the stand-ins need nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

from alluxiofs.errors import MissingExtraError

if TYPE_CHECKING:
    from alluxiofs.testing.components import ComponentContract
    from alluxiofs.testing.context import make_context
    from alluxiofs.testing.in_process_transport import Failure, InProcessTransport, InProcessWorker, InProcessWorkers
    from alluxiofs.testing.memberships import ChangingMembershipContract, MembershipContract
    from alluxiofs.testing.page_stores import PageStoreContract
    from alluxiofs.testing.policies import HashingPolicyContract, RankingContract, WorkerPolicyContract
    from alluxiofs.testing.recording_telemetry import RecordingTelemetry
    from alluxiofs.testing.scripted_membership import ScriptedMembership
    from alluxiofs.testing.stand_in_workers import StandInCluster
    from alluxiofs.testing.telemetry import CountingTelemetryContract, TelemetryContract, WatchingTelemetryContract
    from alluxiofs.testing.transports import TransportContract, WorkerTransportContract
    from alluxiofs.testing.under_stores import UnderStoreContract

_WHERE = {
    "ChangingMembershipContract": "memberships",
    "ComponentContract": "components",
    "CountingTelemetryContract": "telemetry",
    "Failure": "in_process_transport",
    "HashingPolicyContract": "policies",
    "InProcessTransport": "in_process_transport",
    "InProcessWorker": "in_process_transport",
    "InProcessWorkers": "in_process_transport",
    "MembershipContract": "memberships",
    "PageStoreContract": "page_stores",
    "RankingContract": "policies",
    "RecordingTelemetry": "recording_telemetry",
    "ScriptedMembership": "scripted_membership",
    "StandInCluster": "stand_in_workers",
    "TelemetryContract": "telemetry",
    "TransportContract": "transports",
    "UnderStoreContract": "under_stores",
    "WorkerPolicyContract": "policies",
    "WatchingTelemetryContract": "telemetry",
    "WorkerTransportContract": "transports",
    "make_context": "context",
}

_SUITES_NEED = ("hypothesis", "pytest")

__all__ = [
    "ChangingMembershipContract",
    "ComponentContract",
    "CountingTelemetryContract",
    "Failure",
    "HashingPolicyContract",
    "InProcessTransport",
    "InProcessWorker",
    "InProcessWorkers",
    "MembershipContract",
    "PageStoreContract",
    "RankingContract",
    "RecordingTelemetry",
    "ScriptedMembership",
    "StandInCluster",
    "TelemetryContract",
    "TransportContract",
    "UnderStoreContract",
    "WatchingTelemetryContract",
    "WorkerPolicyContract",
    "WorkerTransportContract",
    "make_context",
]


def __getattr__(name: str) -> Any:
    if name == "stand_ins":
        return import_module(f"{__name__}.stand_ins")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in _SUITES_NEED:
            raise
        raise MissingExtraError(f"{name} needs {error.name}: pip install 'alluxiofs[testing]'") from error


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
