"""Many jobs at once: a list of them, made by workers on this machine or in a Ray cluster, whole or not at all."""

from emotalk.batch.command import run_batch
from emotalk.batch.driver import Renewal, run_jobs
from emotalk.batch.jobs import Job, read_jobs
from emotalk.batch.report import BatchProgress, BatchReport, Failure
from emotalk.batch.tasks import Limits

__all__ = ["BatchProgress", "BatchReport", "Failure", "Job", "Limits", "Renewal", "read_jobs", "run_batch", "run_jobs"]
