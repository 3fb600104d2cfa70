"""The pipeline: moves units from planning to their outcome, through journal and driver."""

from __future__ import annotations

from longshore.pipeline._abandoned import give_back, is_open
from longshore.pipeline._actions import Acted, Offer, act, find_job, offer_of, read_action
from longshore.pipeline._advance import advance, advance_unit, prepare, take
from longshore.pipeline._alone import planning_alone
from longshore.pipeline._asked import act_on, cancel_run, cancel_unit, offered
from longshore.pipeline._cancel import Cancelled, cancel
from longshore.pipeline._engine import Engine, capabilities_of
from longshore.pipeline._enqueue import Plan, PlannedBatch, enqueue, plan, recheck
from longshore.pipeline._environment import Environment, LocalFiles, SystemClock
from longshore.pipeline._events import (
    BytesMoved,
    DocumentChanged,
    DocumentFinished,
    Event,
    JobAccepted,
    Listener,
    Notice,
    Polled,
    Retried,
    RunFinished,
    RunStarted,
    StepEnded,
    TransferSent,
    heard,
)
from longshore.pipeline._executor import Executor
from longshore.pipeline._existing import Existing, place_of
from longshore.pipeline._given import Options, Paths, names_of, options_from
from longshore.pipeline._hold import hold_run
from longshore.pipeline._hooks import batch_of_token, hook_key, token_of
from longshore.pipeline._incompatible import OnIncompatible, restart_incompatible
from longshore.pipeline._intake import Candidate, find_documents
from longshore.pipeline._once import find_once
from longshore.pipeline._options import RunOptions
from longshore.pipeline._ready import Next, ready
from longshore.pipeline._report import RunReport, document_line, exit_code, run_line, worst
from longshore.pipeline._requests import RETURNS
from longshore.pipeline._rerun import rerun
from longshore.pipeline._results import ask, fetch_results
from longshore.pipeline._run import begin, execute, open_engine, settle, summary
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._steps import run_step
from longshore.pipeline._stopping import GRACE, end_soon, on_own_loop, stoppable
from longshore.pipeline._targets import run_to, target_of, target_to_resume
from longshore.pipeline._telling import Told
from longshore.pipeline._unit import Step, Unit

__all__ = [
    "GRACE",
    "RETURNS",
    "Acted",
    "BytesMoved",
    "Cancelled",
    "Candidate",
    "DocumentChanged",
    "DocumentFinished",
    "Engine",
    "Environment",
    "Event",
    "Executor",
    "Existing",
    "FlowRunner",
    "JobAccepted",
    "Listener",
    "LocalFiles",
    "Next",
    "Notice",
    "Offer",
    "OnIncompatible",
    "Options",
    "Paths",
    "Plan",
    "PlannedBatch",
    "Polled",
    "Retried",
    "RunFinished",
    "RunOptions",
    "RunReport",
    "RunStarted",
    "Step",
    "StepEnded",
    "SystemClock",
    "Told",
    "TransferSent",
    "Unit",
    "act",
    "act_on",
    "advance",
    "advance_unit",
    "ask",
    "batch_of_token",
    "begin",
    "cancel",
    "cancel_run",
    "cancel_unit",
    "capabilities_of",
    "document_line",
    "end_soon",
    "enqueue",
    "execute",
    "exit_code",
    "fetch_results",
    "find_documents",
    "find_job",
    "find_once",
    "give_back",
    "heard",
    "hold_run",
    "hook_key",
    "is_open",
    "names_of",
    "offer_of",
    "offered",
    "on_own_loop",
    "open_engine",
    "options_from",
    "place_of",
    "plan",
    "planning_alone",
    "prepare",
    "read_action",
    "ready",
    "recheck",
    "rerun",
    "restart_incompatible",
    "run_line",
    "run_step",
    "run_to",
    "settle",
    "stoppable",
    "summary",
    "take",
    "target_of",
    "target_to_resume",
    "token_of",
    "worst",
]  # fmt: skip
