#!/usr/bin/env bash
# MySQL Server 9.7.4, seen on 28 November 2026 in the image mysql:9.7 (Docker), asked by PyMySQL 1.2.4 with Python 3.11.
#
# CREATE TABLE IF NOT EXISTS is thought safe for many sessions at once: one makes the table, the others find it. So it is,
# but not in a session that holds a lock of GET_LOCK, of whatever name, its own and nobody else's: there, of eight sessions
# that make the same missing table at once, some get error 1213, "Deadlock found when trying to get lock". None of them is
# in a transaction. Two statements that both look for the table and then want it for themselves deadlock each time; the
# server begins one of them anew, unseen, if its session has no lock else to lose, and a named lock is one.
#
#   20 rounds of 8 sessions
#   without a named lock: no error
#   with a named lock each: error 1213 in some rounds
#
# https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html#function_get-lock says that named locks take part in
# deadlock detection, and nothing of this. Who begins work with GET_LOCK and then sees to its tables tries the statement again.
set -euo pipefail
folder=$(mktemp -d)
name=finding-$$
trap 'docker rm -f "$name" >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pymysql==1.2.4 "cryptography>=44"
docker run -d --name "$name" -e MYSQL_ROOT_PASSWORD=root -p 127.0.0.1::3306 mysql:9.7 >/dev/null
port=$(docker port "$name" 3306 | sed 's/.*://')
"$folder/venv/bin/python" - "$port" <<'PY'
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import pymysql

server = {"host": "127.0.0.1", "port": int(sys.argv[1]), "user": "root", "password": "root", "autocommit": True}
for _ in range(240):
    try:
        admin = pymysql.connect(**server).cursor()
        break
    except pymysql.err.OperationalError:
        time.sleep(0.5)
admin.execute("SELECT VERSION()")
print("MySQL", admin.fetchone()[0])
admin.execute("CREATE DATABASE IF NOT EXISTS d")
ROUNDS, SESSIONS = 20, 8


def make(number, start, named_lock):
    with pymysql.connect(database="d", **server) as connection, connection.cursor() as cursor:
        if named_lock:
            cursor.execute("SELECT GET_LOCK(%s, 0)", (f"mine alone {number}",))
        start.wait(60)
        try:
            cursor.execute("CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY)")
        except pymysql.err.OperationalError as error:
            return error.args[0]
        return None


def errors(named_lock):
    found = []
    for _ in range(ROUNDS):
        admin.execute("DROP TABLE IF EXISTS d.t")
        start = threading.Barrier(SESSIONS)
        with ThreadPoolExecutor(SESSIONS) as pool:
            found += pool.map(lambda number: make(number, start, named_lock), range(SESSIONS))
    return [code for code in found if code is not None]


without, with_lock = errors(False), errors(True)
print(f"{ROUNDS} rounds of {SESSIONS} sessions")
print("without a named lock:", without or "no error")
print("with a named lock each:", f"{len(with_lock)} errors", set(with_lock))
assert not without
assert with_lock and set(with_lock) == {1213}
PY
