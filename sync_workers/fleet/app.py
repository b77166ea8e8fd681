"""The Celery application. Importing it opens no connection and reads no file.

Redis carries wake-ups, PostgreSQL the truth: whatever the broker loses or doubles costs time, never
data. Hence the settings below; the ones without a reason beside them say it by their name.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, signals
from kombu import pools

from sync_workers import logs
from sync_workers.fleet import queues
from sync_workers.fleet.memory import keep_few_arenas, spare_the_lasting
from sync_workers.runtime import forget_runtime, stop_work
from sync_workers.services import broker_url
from sync_workers.settings import Settings

SOFT_LIMIT_S = 540
HARD_LIMIT_S = 600
VISIBILITY_S = 900  # above the hard limit; a lost message is found sooner by the sweep
LONGEST_COUNTDOWN_S = 60.0  # longer waits live in the ledger alone

REDIS_TRANSPORT: dict[str, Any] = {
    "visibility_timeout": VISIBILITY_S,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 3,  # a killed worker's messages come back about 30 s after they are visible
    "socket_connect_timeout": 1.0,
    "socket_timeout": 5.0,  # above the 1 s of a blocking pop
    "socket_keepalive": True,
    "health_check_interval": 15,
    "retry_on_timeout": False,
}
AMQP_TRANSPORT: dict[str, Any] = {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}


class SyncCelery(Celery):  # type: ignore[misc]
    """Finds its broker when it is first asked for, so that importing needs no environment."""

    def on_init(self) -> None:
        self._located = False

    def locate_broker(self) -> None:
        """Read the broker's address from the environment or from the embedded server's file."""
        if not self._located:
            url = broker_url(Settings.load())
            self.conf.broker_url = url
            redis = url.startswith(("redis://", "rediss://"))
            self.conf.broker_transport_options = dict(REDIS_TRANSPORT if redis else AMQP_TRANSPORT)
            if not redis:
                # quorum queues survive a broker node and know no global QoS
                self.conf.task_default_queue_type = "quorum"
                self.conf.worker_detect_quorum_queues = True
            self._located = True

    def forget_broker(self) -> None:
        """Look for the broker again at the next use: the environment has changed."""
        self._located = False
        pools.reset()  # type: ignore[no-untyped-call]
        self._pool = self.amqp._producer_pool = None

    def connection_for_write(self, *args: Any, **kwargs: Any) -> Any:
        self.locate_broker()
        return super().connection_for_write(*args, **kwargs)

    def connection_for_read(self, *args: Any, **kwargs: Any) -> Any:
        self.locate_broker()
        return super().connection_for_read(*args, **kwargs)


app = SyncCelery("sync_workers", include=["sync_workers.fleet.tasks"])
app.conf.update(
    # ids only travel; pickle with an open broker would be code execution
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    enable_utc=True,
    timezone="UTC",
    # results live in the ledger
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_backend=None,
    result_expires=3600,
    result_backend_transport_options={"visibility_timeout": VISIBILITY_S},
    visibility_timeout=VISIBILITY_S,
    # late acks alone lose the message of a killed pool child; the ledger counts lapses, so no loop
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    worker_prefetch_multiplier=1,
    worker_eta_task_limit=1000,  # countdowns escape the prefetch limit
    # the threads pool cannot keep these (every call has its own wall-clock budget), prefork does
    task_soft_time_limit=SOFT_LIMIT_S,
    task_time_limit=HARD_LIMIT_S,
    worker_max_tasks_per_child=1000,
    worker_max_memory_per_child=300_000,  # KiB
    worker_soft_shutdown_timeout=10.0,
    # else countdowns held in memory wait for the visibility time-out
    worker_enable_soft_shutdown_on_idle=True,
    # leases make a second run harmless, and finishing the first is cheaper
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # a publish never blocks and never retries: the sweep finds what was not said
    task_publish_retry=False,
    broker_pool_limit=16,  # opened as needed: one for each thread that may publish at one time
    broker_pool_acquire_timeout=2.0,
    broker_connection_timeout=2.0,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # for ever
    broker_channel_error_retry=True,  # a failover leaves a read-only primary behind
    task_create_missing_queues=True,  # the direct queue of each worker
    task_default_queue=queues.LIVE,
    task_queues=queues.declare(),
    worker_direct=True,  # a canary in a shared queue can be eaten by a healthy neighbour
    worker_send_task_events=False,  # Flower switches them on while it runs
    task_send_sent_event=False,
    event_queue_expires=60.0,
    event_queue_ttl=5.0,
    control_queue_ttl=60.0,
    control_queue_expires=60.0,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    beat_max_loop_interval=1.0,
)


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _log_from_the_first_line(**_: Any) -> None:
    """Take over before Celery warns of something: what reads the logs reads JSON."""
    logs.configure()
    logging.captureWarnings(True)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _log_our_way(loglevel: int | None = None, **_: Any) -> None:
    logs.configure("DEBUG" if loglevel is not None and loglevel <= 10 else "INFO")


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _keep_little(**_: Any) -> None:
    keep_few_arenas()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _collect_only_what_comes(**_: Any) -> None:
    spare_the_lasting()


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _after_fork(**_: Any) -> None:
    """Leave the parent's sockets to the parent: two processes on one TLS connection corrupt it."""
    forget_runtime()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _start_nothing_more(**_: Any) -> None:
    stop_work()
