import os
import signal
import time

import pytest

from birdnet_cli.core.training import signals as interrupts
from birdnet_cli.core.training.signals import InterruptHandler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_received_and_stops_nothing_by_itself(number: int) -> None:
    before = signal.signal(number, signal.default_int_handler)
    try:
        with InterruptHandler() as received:
            os.kill(os.getpid(), number)
            assert received.received == number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_the_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "SAME_REQUEST_SECONDS", 0.01)
    with InterruptHandler():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        with pytest.raises(SystemExit) as exit:
            os.kill(os.getpid(), signal.SIGTERM)
    assert exit.value.code == 143


def test_a_second_signal_within_a_second_is_the_same_request() -> None:
    # From the terminal, which signals the whole group, and from the launcher.
    with InterruptHandler() as received:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert received.received == signal.SIGTERM


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptHandler() as received:
            os.kill(os.getpid(), signal.SIGINT)
            assert received.received is None
    finally:
        signal.signal(signal.SIGINT, before)
