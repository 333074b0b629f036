"""Which process a record names: by no clock that can be set, on this machine, since this boot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from ganlib.core import processes


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    # A name with blanks and parentheses, which stand in the middle of what Linux tells of a process.
    rename = (
        "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) R 1 (b', 0, 0, 0); print(flush=True); time.sleep(6000)"
    )
    process = subprocess.Popen([sys.executable, "-c", rename], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_process_is_found_until_it_ends_or_is_only_not_waited_for(child: subprocess.Popen[bytes]) -> None:
    record = processes.identity(child.pid)._asdict()
    found = processes.find(json.loads(json.dumps(record)))
    assert found
    assert found.pid == child.pid
    assert processes.find(record | {"started": record["started"] + 1}) is None
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert processes.find(record) is None
    child.wait()
    assert processes.find(record) is None
    with pytest.raises(psutil.NoSuchProcess):
        processes.identity(child.pid)


@pytest.mark.skipif(bool(os.geteuid()) or not shutil.which("unshare"), reason="no time namespace: run as root")
def test_a_namespace_with_another_time_since_the_boot_changes_nothing(child: subprocess.Popen[bytes]) -> None:
    look = (
        "import json, sys; from ganlib.core import processes;"
        "print(bool(processes.find(json.loads(sys.argv[1]))), processes.clock()[1])"
    )
    record = json.dumps(processes.identity(child.pid)._asdict())
    command = ["unshare", "--time", "--boottime", "1000000", sys.executable, "-c", look, record]
    before = processes.clock()[1]
    found, told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert found == "True"
    assert before <= float(told) <= processes.clock()[1]


@pytest.mark.parametrize("broken", [{}, {"pid": 1}, {"pid": "x", "started": 1}, {"pid": None, "started": None}])
def test_a_record_that_names_no_process_is_said_to_be_none(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        processes.find(broken)


def test_a_tag_of_a_process_that_is_gone_is_dead_and_no_other() -> None:
    me = processes.identity()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(6000)"])
    theirs = processes.identity(child.pid)
    living = [me, theirs, (me.host, me.pid, psutil.Process().create_time())]
    assert not any(processes.is_dead(json.dumps(one)) for one in living)
    child.kill()
    child.wait()
    assert processes.is_dead(json.dumps(theirs))
    assert processes.is_dead(json.dumps(me._replace(boot="another")))
    assert processes.is_dead(json.dumps([me.host, child.pid, 1.0]))
    hidden = [theirs._replace(host="another"), theirs._replace(namespace="pid:[1]"), theirs._replace(machine="another")]
    strange = ["ganlib", "7", "[]", "{}", '["a"]', '"abc"', "null", '["a", "b", "c"]', "[1, 2, 3, 4, 5, 6]"]
    assert not any(processes.is_dead(tag) for tag in [*(json.dumps(one) for one in hidden), *strange])
