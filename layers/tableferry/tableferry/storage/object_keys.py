"""Every key in the bucket: what a key is made of and read by. Nothing else writes one.

==================================================  ====================================================================
key                                                 what is there
==================================================  ====================================================================
``uploads/{table}/{file}``                          a file to be loaded
``rejects/{table}/{load}.ndjson``                   the rows that a load has rejected
``resume/{load}.json``                              that a load goes on; its arrival starts the load function
``loads/{load}.json``                               the status of a load
``loads/rejects/{load}/…``                          the rejects of its blocks, until it ends
``loads/cancelled/{load}.json``                     that it is to stop
``loads/waiting/{time}-{load}``                     when it is tried again
``loads/waited.json``                               up to when those were looked for
``loads/by-time/``, ``by-key/``, ``by-table/``,     marks of loads, for lists
``by-state/``
``backups/{backup}/manifest.json``                  what a backup is
``backups/{backup}/{table}/…``                      the objects of a table
``backups/{backup}/{table}/_chunks-{run}-….json``   lists of them, where they are too many for the manifest
``backups/{backup}/tableferry_named_in/{other}``    that a later backup names objects of this one
``verifications/{backup}.json``                     what came of verifying it
``restores/{restore}.json``                         the record of a restore
``jobs/{job}.json``                                 the record of a job
``jobs/{kind}/{job}.json``                          its request; its arrival starts the job's function
``jobs/keys/{kind}-{hash}.json``                    which job an Idempotency-Key stands for
``jobs/large-{kind}/{job}.json``                     its order, where many functions do it; it starts a state machine
``jobs/slots/{function}-{number}.json``             which job has this one of the places
``work/{job}/{try}/``                               the place of one try of a job that many functions share
``…/plan.json``                                     what the try has to do
``…/workers.json``                                  the numbers of its workers, as the state machine reads them
``…/ready/{worker}.json``                           that a worker is there
``…/locked.json``                                   that the tables are locked, so that workers may begin to look
``…/open/{worker}.json``                            that all connections of a worker see the moment
``…/moment.json``                                   the moment that all of them saw, or why there is none
``…/parts/{task}.json``                             what came of a task
``…/trouble.json``                                  why the try came to nothing
==================================================  ====================================================================

A table's name is percent-encoded; a hash is the first 32 digits of a SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

UPLOADS, REJECTS, RESUME = "uploads/", "rejects/", "resume/"
LOADS, BACKUPS, VERIFICATIONS, RESTORES, JOBS = "loads/", "backups/", "verifications/", "restores/", "jobs/"
WORK = "work/"

LOADS_WAITING = f"{LOADS}waiting/"
LOADS_WAITED = f"{LOADS}waited.json"
LOADS_BY_TIME = f"{LOADS}by-time/"

JOB_RECORDS = f"{JOBS}2"
"""What the records of jobs begin with: their ids begin with the year."""

_JSON = ".json"
_NAMED_IN = "tableferry_named_in"  # as no table that is backed up is called
_LEAF = re.compile(r"_chunks-([0-9a-f]+)-[0-9]{6,9}\.json")
_WRITTEN = re.compile(r"([0-9a-f]+)-([0-9]{5,9})-([0-9]{5,9})(?:\.[a-z]+)+")  # a run, a chunk, a file of it


def encode_name(name: str) -> str:
    """A table's name as one segment of a key: percent-encoded, slashes and all, and never one that means a folder."""
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


def upload(table: str, filename: str) -> str:
    """The key of a file that is to be loaded into a table."""
    return f"{UPLOADS}{encode_name(table)}/{filename}"


def upload_table(key: str) -> str | None:
    """The table that an upload is for; None if its key is not ``uploads/{table}/{file}``."""
    table, _, name = key.removeprefix(UPLOADS).partition("/")
    return unquote(table) if key.startswith(UPLOADS) and table and name else None


def rejects(table: str, load_id: str) -> str:
    """The key of the file that has a load's rejects."""
    return f"{REJECTS}{encode_name(table)}/{load_id}.ndjson"


def resume(load_id: str) -> str:
    """The key of the object that has the load function go on with a load."""
    return f"{RESUME}{load_id}{_JSON}"


def resumed_load(key: str) -> str:
    """The id of the load that an object under ``resume/`` is about."""
    return key.removeprefix(RESUME).removesuffix(_JSON)


def load(load_id: str) -> str:
    """The key of a load's status."""
    return f"{LOADS}{load_id}{_JSON}"


def load_id(key: str) -> str:
    """The id of the load whose status is at a key."""
    return key.removeprefix(LOADS).removesuffix(_JSON)


def load_rejects(load_id: str) -> str:
    """The folder of the rejects of a load's blocks."""
    return f"{LOADS}rejects/{load_id}/"


def load_cancelled(load_id: str) -> str:
    """The key of the order that a load is to stop."""
    return f"{LOADS}cancelled/{load_id}{_JSON}"


def load_waiting(mark: str) -> str:
    """The key of the mark by which a load is tried again."""
    return f"{LOADS_WAITING}{mark}"


def waiting_mark(key: str) -> str:
    """The mark in a key under ``loads/waiting/``."""
    return key.removeprefix(LOADS_WAITING)


def loads_by_key(upload_key: str) -> str:
    """The folder of the marks of the loads of one upload's key."""
    return f"{LOADS}by-key/{_hash(upload_key)}/"


def loads_by_table(table: str, state: str = "all") -> str:
    """The folder of the marks of the loads into a table, or of those that have come to a state."""
    return f"{LOADS}by-table/{_hash(table)}/{state}/"


def loads_by_state(state: str) -> str:
    """The folder of the marks of the loads that have come to a state."""
    return f"{LOADS}by-state/{state}/"


def backup(backup_id: str) -> str:
    """The folder of a backup."""
    return f"{BACKUPS}{backup_id}/"


def backup_table(backup_id: str, table: str) -> str:
    """The folder of a table's objects in a backup."""
    return f"{backup(backup_id)}{encode_name(table)}/"


def backup_leaf(backup_id: str, table: str, run: str, number: int) -> str:
    """The key of a list of a table's chunks. Whoever reads all files of a folder passes over those that begin so."""
    return f"{backup_table(backup_id, table)}_chunks-{run}-{number:06d}{_JSON}"


def backup_run(key: str) -> str | None:
    """The run, one try of one function, that wrote an object of a table, or a list of them; None if neither is at a key."""
    name = key.rpartition("/")[2]
    found = _WRITTEN.fullmatch(name) or _LEAF.fullmatch(name)
    return found[1] if found else None


def backup_place(key: str) -> tuple[str, int, int] | None:
    """The run that wrote an object of a table, the number of the chunk and that of the object in it; None of others."""
    found = _WRITTEN.fullmatch(key.rpartition("/")[2])
    return (found[1], int(found[2]), int(found[3])) if found else None


def is_leaf(key: str) -> bool:
    """Whether an object is, by its name, a list of chunks."""
    return _LEAF.fullmatch(key.rpartition("/")[2]) is not None


def backup_of(key: str, table: str) -> str | None:
    """The backup in whose folder of a table an object lies; None if it lies in none."""
    backups, _, rest = key.partition("/")
    backup_id, _, rest = rest.partition("/")
    folder, slash, name = rest.partition("/")
    good = f"{backups}/" == BACKUPS and folder == encode_name(table) and slash and name and "/" not in name
    return backup_id if good else None


def named_in(backup_id: str) -> str:
    """The folder of the marks of which backups name objects of this one."""
    return f"{backup(backup_id)}{_NAMED_IN}/"


def manifest(backup_id: str) -> str:
    """The key of a backup's manifest."""
    return f"{backup(backup_id)}manifest.json"


def verification(backup_id: str) -> str:
    """The key of what came of verifying a backup."""
    return f"{VERIFICATIONS}{backup_id}{_JSON}"


def verified_backup(key: str) -> str:
    """The id of the backup whose verification is at a key."""
    return key.rpartition("/")[2].removesuffix(_JSON)


def restore(restore_id: str) -> str:
    """The key of a restore's record."""
    return f"{RESTORES}{restore_id}{_JSON}"


def restore_id(key: str) -> str:
    """The id of the restore whose record is at a key."""
    return key.removeprefix(RESTORES).removesuffix(_JSON)


def job(job_id: str) -> str:
    """The key of a job's record."""
    return f"{JOBS}{job_id}{_JSON}"


def job_id(key: str) -> str:
    """The id of the job whose record is at a key."""
    return key.removeprefix(JOBS).removesuffix(_JSON)


def job_request(kind: str, job_id: str) -> str:
    """The key of the object that starts a job."""
    return f"{JOBS}{kind}/{job_id}{_JSON}"


def requested_job(key: str) -> tuple[str, str]:
    """The kind and the id of the job that an object starts, whatever its key is: both may be none that there are."""
    kind, _, name = key.removeprefix(JOBS).partition("/")
    return kind, name.removesuffix(_JSON)


def job_note(kind: str, idempotency_key: str) -> str:
    """The key of the note of which job an Idempotency-Key stands for."""
    return f"{JOBS}keys/{kind}-{_hash(idempotency_key)}{_JSON}"


def job_slot(function: str, number: int) -> str:
    """The key of one of the places that jobs of a function take."""
    return f"{JOBS}slots/{function}-{number}{_JSON}"


def work(job_id: str, attempt: str) -> str:
    """The place of one try of a job that many functions share: a folder, which the other keys of it begin with."""
    return f"{WORK}{job_id}/{attempt}/"


def work_plan(place: str) -> str:
    """The key of what a try has to do."""
    return f"{place}plan{_JSON}"


def work_workers(place: str) -> str:
    """The key of the list of a try's workers, which the state machine reads."""
    return f"{place}workers{_JSON}"


def work_ready(place: str, worker: int) -> str:
    """The key of the word that a worker of a try is there."""
    return f"{work_all_ready(place)}{worker}{_JSON}"


def work_all_ready(place: str) -> str:
    """The folder of the words of all workers that they are there."""
    return f"{place}ready/"


def work_locked(place: str) -> str:
    """The key of the word that the tables are locked."""
    return f"{place}locked{_JSON}"


def work_open(place: str, worker: int) -> str:
    """The key of the word that all connections of a worker see the moment."""
    return f"{work_all_open(place)}{worker}{_JSON}"


def work_all_open(place: str) -> str:
    """The folder of the words of all workers that they see the moment."""
    return f"{place}open/"


def work_moment(place: str) -> str:
    """The key of the moment that all workers of a try see, or of why there is none."""
    return f"{place}moment{_JSON}"


def work_part(place: str, task: int) -> str:
    """The key of what came of a task."""
    return f"{work_parts(place)}{task:06d}{_JSON}"


def work_trouble(place: str) -> str:
    """The key of why a try came to nothing."""
    return f"{place}trouble{_JSON}"


def work_parts(place: str) -> str:
    """The folder of what came of all tasks of a try."""
    return f"{place}parts/"


def worked_task(key: str) -> int | None:
    """The number of the task of which what came is at a key; None of what else somebody put there."""
    name = key.rpartition("/")[2].removesuffix(_JSON)
    return int(name) if name.isdecimal() else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
