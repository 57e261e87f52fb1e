"""Tells the shop's own endpoint of a scheduled run that failed. A message that cannot be delivered is a line in the log
and keeps nothing from going on."""

import asyncio
import json
import logging
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException

from domain.jobs.model import Job
from domain.model import Business

SECONDS = 10
log = logging.getLogger("segments.runs")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address that was set is the only one that is called."""

    def redirect_request(self, *rest: object) -> None:
        """Follow nothing."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Posts to one address; to none where it is empty."""

    url: str

    async def __call__(self, business: Business, segment: str, job: Job) -> None:
        """Post the failure; never raises."""
        finished = None if job.finished_at is None else job.finished_at.isoformat()
        run = {"segment": segment, "job": job.id, "code": job.error_code, "message": job.error_message}
        await self._send({"event": "recalculation.failed", "business": business.key, **run, "finishedAt": finished})

    async def report_failed_classification(self, business: Business, code: str, message: str, at: datetime) -> None:
        """Post that a scheduled classification failed; never raises."""
        failure = {"code": code, "message": message, "finishedAt": at.isoformat()}
        await self._send({"event": "classification.failed", "business": business.key, **failure})

    async def report_failed_report(
        self, business: Business, report: str, code: str, message: str, at: datetime
    ) -> None:
        """Post that a scheduled report failed; never raises."""
        failure = {"report": report, "code": code, "message": message, "finishedAt": at.isoformat()}
        await self._send({"event": "report.failed", "business": business.key, **failure})

    async def _send(self, message: Mapping[str, object]) -> None:
        if not self.url:
            return
        try:
            await asyncio.to_thread(self._post, json.dumps(message).encode())
        except (OSError, HTTPException, ValueError) as error:
            log.warning("the alert %s could not be delivered: %s", message["event"], type(error).__name__)

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(
            self.url, body, {"Content-Type": "application/json", "User-Agent": "segments"}, method="POST"
        )
        with urllib.request.build_opener(NoRedirect()).open(request, timeout=SECONDS):
            pass
