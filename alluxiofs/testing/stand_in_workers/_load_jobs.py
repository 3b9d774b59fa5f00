"""How workers of dialect ``pages`` tell of load jobs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from alluxiofs.testing.stand_in_workers._entries import readable_size
from alluxiofs.testing.stand_in_workers._java import TRACE, hash_map_order, trace_as_data, trace_as_lines
from alluxiofs.testing.stand_in_workers._master import JobOptions, Refusal, Report, Stage
from alluxiofs.testing.stand_in_workers._messages import NEVER, Answer, json_answer

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._master import Master

__all__ = ["answer_load"]

_REASON = "Job partially failed."
_EXCEPTION = f"alluxio.exception.runtime.InternalRuntimeException: {_REASON}"
_SAVED = "/opt/alluxio/job_results/load/"
_FORMATS = ("TEXT", "JSON")


def answer_load(master: Optional[Master], path: str, parameters: Mapping[str, str]) -> Optional[Answer]:
    """What a worker says of load jobs; without a master it never says anything, and ``None`` closes the connection."""
    operation = parameters.get("opType", "").lower()
    shape = parameters.get("progressFormat", "TEXT")
    if operation not in ("submit", "progress", "stop") or shape not in _FORMATS:
        return None
    try:
        options = JobOptions.parse(parameters)
    except ValueError:
        return None
    if master is None:
        return NEVER
    if operation == "submit":
        said = _submitted(path, master.submit(path, options))
    elif operation == "stop":
        said = _stopped(path, master.stop(path))
    else:
        said = _progress(path, master.progress(path), shape, parameters.get("verbose", "").lower() == "true")
    return None if said is None else json_answer(said, "text/plain")


def _submitted(path: str, job: Any) -> Optional[Dict[str, Any]]:
    if job is Refusal.BUSY or (job is Refusal.NOT_FOUND and "%" in path):
        return None
    if job is Refusal.NOT_FOUND:
        bare = re.sub(r"^[^/:]+://[^/]*", "", path)
        message = f"Failed to submit load job {path}: NOT_FOUND: {bare}"
        return {"success": False, "jobId": "NONE", "path": path, "message": message}
    message = f"Load '{path}' is successfully submitted. JobId: {job}\n"
    return {"success": True, "jobId": job, "path": path, "message": message}


def _stopped(path: str, stopped: bool) -> Dict[str, Any]:
    if stopped:
        return {"success": True, "path": path, "message": f"Load '{path}' is successfully stopped.\n"}
    message = f"Cannot find load job for path {path}, it might have already been stopped or finished\n"
    return {"success": False, "path": path, "message": message}


def _progress(path: str, report: Optional[Report], shape: str, verbose: bool) -> Dict[str, Any]:
    if report is None:
        message = f"Load for path '{path}' cannot be found."
        return {"jobState": "FAILED", "path": path, "message": message, "respProperties": {}}
    first = f"Progress for loading path '{path}':\n"
    if shape == "JSON":
        message = first + json.dumps(_as_data(report, verbose), ensure_ascii=False, separators=(",", ":"))
    else:
        message = first + "".join(f"\t{line}\n" for line in _lines(report, verbose))
    properties = _properties(message)
    said = {"path": path, "message": message, "respProperties": properties}
    return {"jobState": properties["Job State"], **said} if "Job State" in properties else said


def _properties(message: str) -> Dict[str, str]:
    """The pieces around the first colon of each line, in the order of a Java map."""
    pieces = [line.strip().split(":") for line in message.split("\n") if ":" in line]
    found = {one[0].strip(): one[1].strip() for one in pieces}
    return {name: found[name] for name in hash_map_order(found)}


# --- as text --------------------------------------------------------------------------------------------------------


def _lines(report: Report, verbose: bool) -> Iterator[str]:
    options = report.options
    bandwidth = "unlimited" if options.bandwidth is None else str(options.bandwidth)
    flags = f"verify: {_java(options.verify)}\tmetadata-only: {_java(options.metadata_only)}"
    seconds = int(report.elapsed)
    yield f"Settings:\tbandwidth: {bandwidth}\t{flags}"
    yield f"Time Elapsed: {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    failed = report.stage is Stage.FAILED
    yield f"Job State: FAILED ({_EXCEPTION})" if failed else f"Job State: {_state(report)}"
    if failed and verbose:
        yield from trace_as_lines(TRACE)
    yield f"Inodes Scanned: {report.scanned}"
    yield f"Inodes Processed: {report.processed}"
    if options.skip_if_exists:
        yield f"Bytes Skipped: {_out_of(report.skipped, report.total)}"
    if not options.metadata_only:
        yield f"Bytes Loaded: {_out_of(report.loaded, report.total)}"
        if report.scanned:
            yield f"Throughput: {readable_size(_throughput(report))}/s"
    yield f"File Failure rate: {_rate(report)}"
    yield f"Subtask Failure rate: {_rate(report)}"
    yield f"Files Failed: {len(report.failed)}"
    if verbose:
        yield "Recent failed subtasks: "
        for url, length in report.failed:
            yield from _subtasks(url, length)
        yield "Recent retrying subtasks: "
    yield f"Subtask Retry rate: {'0.00%' if report.scanned else 'NaN%'}"
    yield "Subtasks on Retry Dead Letter Queue: 0"
    if failed:
        yield f"Failed files saved to: {_saved(report)}"


def _subtasks(url: str, length: int) -> List[str]:
    shown = url.replace("\\", "/")
    bare = re.sub(r"^[^/:]+://[^/]*", "", shown)
    of = f"{{UfsPath={shown}, ShardingKey={shown}, Worker=null}}: Reason: WORKER_FAILED, message:"
    read = f"bytes to read = {length}, actual bytes read = 0, bytes remains in file {length}"
    return [
        f"\tLoadMetadataSubTask{of} {bare}",
        f"\tLoadDataSubTask{of} Invalid number of bytes read - {read}",
    ]


def _state(report: Report) -> str:
    return report.stage.name if report.stage.ended else "RUNNING"


def _out_of(size: int, total: Optional[int]) -> str:
    return readable_size(size) + ("" if total is None else f" out of {readable_size(total)}")


def _throughput(report: Report) -> int:
    return report.loaded // max(1, int(report.elapsed))


def _rate(report: Report) -> str:
    return f"{100 * len(report.failed) / report.scanned:.2f}%" if report.scanned else "NaN%"


def _saved(report: Report) -> str:
    return _SAVED + re.sub(r"[^A-Za-z0-9]", "_", report.path) + "_2024_01_02_03_04_05"


def _java(flag: bool) -> str:
    return "true" if flag else "false"


# --- as JSON --------------------------------------------------------------------------------------------------------


def _as_data(report: Report, verbose: bool) -> Dict[str, Any]:
    options = report.options
    percentage: Any = 100 * len(report.failed) / report.scanned if report.scanned else "NaN"
    failed = report.stage is Stage.FAILED
    verifying = report.stage is Stage.LOADED and options.verify
    present: List[Tuple[bool, str, Any]] = [
        (True, "mVerbose", verbose),
        (True, "mJobState", _state(report)),
        (options.bandwidth is not None, "mBandwidth", options.bandwidth),
        (True, "mVerificationEnabled", options.verify),
        (True, "mSkippedByteCount", report.skipped),
        (True, "mLoadedByteCount", report.loaded),
        (True, "mScannedInodesCount", report.scanned),
        (True, "mProcessedInodesCount", report.processed),
        (report.total is not None, "mTotalByteCount", report.total),
        (report.scanned > 0, "mThroughput", _throughput(report)),
        (True, "mFailureFilesPercentage", percentage),
        (True, "mFailureSubTasksPercentage", percentage),
        (True, "mRetrySubTasksPercentage", 0.0 if report.scanned else "NaN"),
        (failed, "mFailureReason", trace_as_data(_REASON, TRACE)),
        (True, "mFailedFileCount", len(report.failed)),
        (True, "mRecentFailedSubtasksWithReasons", []),
        (True, "mRecentRetryingSubtasksWithReasons", []),
        (True, "mSkipIfExists", options.skip_if_exists),
        (True, "mMetadataOnly", options.metadata_only),
        (True, "mRunningStage", "RETRYING" if verifying else ""),
        (True, "mRetryDeadLetterQueueSize", 0),
        (True, "mTimeElapsed", int(report.elapsed * 1000)),
        (failed, "mFailedFileSavedPath", _saved(report)),
    ]
    return {name: value for there, name, value in present if there}
