"""S3's events: from the emulator by a queue to the functions, asynchronously and with more tries, as Lambda does.

An event stays in the queue, which the emulator keeps in files, until its function has done with it: what was under way
when the runtime ended, in whatever way, is delivered when it starts again. As on AWS, an event may come twice. What the
template sends to queues of its own is `local.gateway.queues`', and what starts state machines `local.gateway.machines`'.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from local.gateway.dead_letters import DeadLetters, record
from local.gateway.function import Function, Result
from local.gateway.pool import Pool
from local.gateway.queues import Queues, let_s3_send
from local.gateway.template import Bucket, Notification, Project, Trigger

log = logging.getLogger(__name__)

DELAYS = (1.0, 2.0)  # seconds before the second and the third try; Lambda waits one and two minutes
QUEUE = "tableferry-events"
TAKEN = 12 * 3600  # seconds for which nobody else gets an event that was taken: the longest that SQS knows


class Triggers:
    """Makes the template's buckets and takes their events to the functions, each in a thread of its own."""

    def __init__(
        self, project: Project, pool: Pool, s3_url: str, queues: Queues, delays: Sequence[float] = DELAYS
    ) -> None:
        self.pool, self.delays = pool, delays
        self._stop = threading.Event()
        self._sqs: Any = boto3.client("sqs", endpoint_url=s3_url, config=Config(retries={"max_attempts": 1}))
        self._targets = {trigger.id: (trigger, project.functions[trigger.function]) for trigger in project.triggers}
        self._invocations = ThreadPoolExecutor(32, thread_name_prefix="event")
        self._queue = self._make_queue()
        self._dead = DeadLetters(self._sqs, {one.dead_letters for one in project.triggers if one.dead_letters})
        s3: Any = boto3.client("s3", endpoint_url=s3_url)
        for bucket in project.buckets:
            make_bucket(s3, bucket)
            configurations = [
                *(_configuration(one, self._arn) for one in project.triggers if one.bucket == bucket.name),
                *(
                    _configuration(one, queues.arns[one.queue])
                    for one in project.notifications
                    if one.bucket == bucket.name
                ),
            ]
            told: dict[str, Any] = {"QueueConfigurations": configurations}
            if bucket.tells_all:
                told["EventBridgeConfiguration"] = {}
            s3.put_bucket_notification_configuration(Bucket=bucket.name, NotificationConfiguration=told)
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        self._invocations.shutdown(wait=False, cancel_futures=True)

    def _make_queue(self) -> str:
        url: str = self._sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        self._arn = let_s3_send(self._sqs, url)
        return url

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                messages = self._receive(seconds=2)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next event must still be heard
                if not self._stop.is_set():
                    log.warning("no events from S3: %s", error)
                    time.sleep(0.5)
                continue
            for message in messages:
                self._invocations.submit(self._take, message)

    def _receive(self, seconds: int) -> list[Mapping[str, str]]:
        found = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds, VisibilityTimeout=TAKEN
        )
        messages: list[Mapping[str, str]] = found.get("Messages", [])
        return messages

    def _take(self, message: Mapping[str, str]) -> None:
        """Deliver what a message says (nothing, if it is the test event of a new subscription), and then delete it."""
        for found in json.loads(message["Body"]).get("Records", []):
            target = self._targets.get(found["s3"]["configurationId"])
            if target and not self._deliver(*target, found):
                return
        self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def _deliver(self, trigger: Trigger, function: Function, found: Mapping[str, Any]) -> bool:
        """Give an event to its function until it is done with or given up; return whether it is. If not, we are ending."""
        event, request_id = {"Records": [found]}, str(uuid.uuid4())
        body, key, result = json.dumps(event).encode(), found["s3"]["object"]["key"], Result(b"")
        delays = (0.0, *self.delays[: trigger.retries])
        for delay in delays:
            if self._stop.wait(delay):
                return False
            result = self.pool.invoke(function, body, request_id)
            if not result.failed:
                return True
            if self._stop.is_set():
                return False
            log.warning("%s failed for %s: %s", function.name, key, result.payload.decode(errors="replace")[:2000])
        if trigger.dead_letters:
            self._dead.put(trigger.dead_letters, record(function, request_id, event, result, len(delays)))
        log.error("%s: given up for %s", function.name, key)
        return True


def make_bucket(s3: Any, bucket: Bucket) -> None:
    """Make a bucket as the template has it; one that is there already stays."""
    if bucket.name not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket.name)
    if bucket.versioned:
        s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})


def _configuration(one: Trigger | Notification, queue: str) -> dict[str, Any]:
    return {
        "Id": one.id,  # comes back with each event and says whose it is
        "QueueArn": queue,
        "Events": list(one.events),
        "Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in one.rules]}},
    }
