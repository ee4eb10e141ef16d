"""Records of workers' loggers when the worker has handlers of its own: each is there once."""

import logging
import logging.handlers

import manyhands
import pytest
import tasks
from manyhands import Pool, ProcessPoolExecutor


def to_queue(queue):
    root = logging.getLogger()
    root.addHandler(logging.handlers.QueueHandler(queue))
    root.setLevel(logging.DEBUG)


def to_queue_alone(queue):
    logging.getLogger().handlers.clear()
    to_queue(queue)


def to_queue_of_one_logger(queue):
    logging.getLogger("tasks").addHandler(logging.handlers.QueueHandler(queue))


def to_file(path):
    logging.getLogger().addHandler(logging.FileHandler(path))


def as_a_library_does():
    logging.getLogger("tasks").addHandler(logging.NullHandler())


@pytest.fixture
def shown(caplog):
    """The messages that came to the root's handlers here."""
    caplog.set_level(logging.DEBUG)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "tasks"]


@pytest.mark.parametrize("initializer", [to_queue, to_queue_alone, to_queue_of_one_logger])
@pytest.mark.parametrize("make", [Pool, ProcessPoolExecutor])
def test_a_record_that_a_workers_queue_handler_takes_is_handled_once(shown, make, initializer):
    queue = manyhands.Queue()
    listener = logging.handlers.QueueListener(queue, *logging.getLogger().handlers)
    listener.start()
    with make(2, initializer=initializer, initargs=(queue,)) as pool:
        list(pool.map(tasks.log, ["one", "two", "three"]))
    listener.stop()
    assert sorted(shown()) == ["one", "three", "two"]


def test_a_record_that_goes_to_a_workers_file_does_not_come_here_too(shown, tmp_path):
    with Pool(1, initializer=to_file, initargs=(tmp_path / "log",)) as pool:
        pool.map(tasks.log, ["one", "two"])
        pool.close()
        pool.join()
    assert (tmp_path / "log").read_text().split() == ["one", "two"]
    assert shown() == []


def test_a_handler_that_does_nothing_keeps_no_record_from_coming_here(shown):
    with Pool(1, initializer=as_a_library_does) as pool:
        pool.map(tasks.log, ["one", "two"])
        pool.close()
        pool.join()
    assert shown() == ["one", "two"]


def test_a_log_handler_that_exits_ends_neither_the_records_to_come_nor_the_pool():
    seen = []

    class Exits(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())
            raise SystemExit(3)

    handler = Exits()
    logging.getLogger("tasks").addHandler(handler)
    try:
        with manyhands.Pool(1) as pool:
            for number in range(3):
                pool.apply(tasks.log, (f"record {number}",))
            pool.close()
            pool.join()
    finally:
        logging.getLogger("tasks").removeHandler(handler)
    assert seen == ["record 0", "record 1", "record 2"]
