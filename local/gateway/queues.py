"""The template's queues, and the functions that their messages invoke, as Lambda's event source mappings do it.

The emulator plays the queues: it hides a message that was taken, counts how often it was, and moves it to the dead-letter
queue. What differs is the pause: a message whose function failed comes back after a second, then after twice as long each
time, up to a minute, and not after the queue's visibility timeout. A message whose function was under way when the runtime
ended comes back when it starts again.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from local.gateway.dead_letters import queue_name
from local.gateway.function import Function
from local.gateway.pool import CONCURRENCY, Pool
from local.gateway.template import Project, Queue, Source

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1, 60  # seconds
_WAIT_SECONDS = 2

Message = Mapping[str, Any]


class Queues:
    """Makes the template's queues and takes their messages to the functions; ``arns`` are theirs in the emulator."""

    def __init__(self, project: Project, pool: Pool, s3_url: str) -> None:
        self.pool = pool
        self._stop = threading.Event()
        self._sqs: Any = boto3.client("sqs", endpoint_url=s3_url, config=Config(retries={"max_attempts": 1}))
        names = [queue.name for queue in project.queues]
        self._urls = {name: self._sqs.create_queue(QueueName=queue_name(name))["QueueUrl"] for name in names}
        self.arns = {name: let_s3_send(self._sqs, url) for name, url in self._urls.items()}
        self._queues = {queue.name: queue for queue in project.queues}
        for queue in project.queues:
            if attributes := self._attributes(queue):
                self._sqs.set_queue_attributes(QueueUrl=self._urls[queue.name], Attributes=attributes)
        self._pools = []
        for source in project.sources:
            most = min(source.at_once or CONCURRENCY, CONCURRENCY)
            calls = ThreadPoolExecutor(most, thread_name_prefix=source.queue)
            self._pools.append(calls)
            arguments = (source, project.functions[source.function], calls, threading.Semaphore(most))
            threading.Thread(target=self._poll, args=arguments, daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        for calls in self._pools:
            calls.shutdown(wait=False, cancel_futures=True)

    def _attributes(self, queue: Queue) -> dict[str, str]:
        if queue.dead_letters is None:
            return dict(queue.attributes)
        redrive = {"deadLetterTargetArn": self.arns[queue.dead_letters], "maxReceiveCount": queue.tries}
        return {**queue.attributes, "RedrivePolicy": json.dumps(redrive)}

    def _poll(self, source: Source, function: Function, calls: ThreadPoolExecutor, free: threading.Semaphore) -> None:
        """Take messages only when a call is free for them: what waits, waits in the queue, and is not counted as tried."""
        while not self._stop.is_set():
            if not free.acquire(timeout=_WAIT_SECONDS):
                continue
            try:
                messages = self._receive(source)
                if messages:
                    calls.submit(self._invoke, source, function, messages, free)
                    continue
            except Exception as error:  # noqa: BLE001 - whatever it is, the next message must still be heard
                if not self._stop.is_set():
                    log.warning("nothing from %s: %s", source.queue, error)
                    time.sleep(0.5)
            free.release()

    def _receive(self, source: Source) -> Sequence[Message]:
        found = self._sqs.receive_message(
            QueueUrl=self._urls[source.queue],
            MaxNumberOfMessages=min(source.batch, 10),
            WaitTimeSeconds=_WAIT_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: Sequence[Message] = found.get("Messages", [])
        return messages

    def _invoke(
        self, source: Source, function: Function, messages: Sequence[Message], free: threading.Semaphore
    ) -> None:
        try:
            event = {"Records": [self._record(source, message) for message in messages]}
            result = self.pool.invoke(function, json.dumps(event).encode())
            if result.failed and self._stop.is_set():
                return
            for message in messages:
                self._failed(source, message, result.payload) if result.failed else self._done(source, message)
        except Exception as error:  # noqa: BLE001 - it comes again
            if not self._stop.is_set():
                log.warning("%s: %s", source.queue, error)
        finally:
            free.release()

    def _done(self, source: Source, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self._urls[source.queue], ReceiptHandle=message["ReceiptHandle"])

    def _failed(self, source: Source, message: Message, why: bytes) -> None:
        queue, tried = self._queues[source.queue], int(message["Attributes"]["ApproximateReceiveCount"])
        told = message["Body"][:1000]
        log.warning("%s failed for %s: %s", source.function, told, why.decode(errors="replace")[:2000])
        pause = min(FIRST_PAUSE * 2 ** min(tried - 1, 10), LONGEST_PAUSE)
        if queue.tries and tried >= queue.tries:
            log.error("%s: given up for %s", source.function, told)
            pause = 0
        self._sqs.change_message_visibility(
            QueueUrl=self._urls[source.queue], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=pause
        )

    def _record(self, source: Source, message: Message) -> dict[str, Any]:
        """A message as Lambda tells a function of it (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arns[source.queue],
            "awsRegion": self._sqs.meta.region_name,
        }


def let_s3_send(sqs: Any, url: str) -> str:
    """Let S3 send to a queue, as its policy does in a deployment; the queue's ARN."""
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return arn
