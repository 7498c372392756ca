"""Every variable of a server that can be set while it runs, with values that do harm, or the reason why it is left alone."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql

from tests.support.parts import Server, connect

LEFT_OUT = {
    # What is lost by leaving these out is nothing that a statement of ours can notice.
    r"performance_schema.*|userstat|profiling.*|optimizer_trace.*|session_track_.*|analyze_.*|histogram_.*": "what the "
    "server notes of itself, and tells those who ask",
    r"(log|slow|general_log|audit|server_audit)_.*|slow_query_log.*|general_log|sql_log_off|long_query_time|"
    r"min_examined_row_limit|innodb_print_.*|innodb_status_output.*|debug.*|note_verbosity|innodb_deadlock_report|"
    r"sql_warnings|query_response_time.*|progress_report_time|core_file|innodb_.*_core_(dump|file)": "what goes into logs",
    r"(slave|replica|replicate|relay|rpl|master|source|replication|skip_(slave|replica))_.*|sync_.*(master|relay|source).*|"
    r"(init|read)_(slave|replica).*|report_.*|gtid_(slave|cleanup|ignore|pos|binlog|seq|domain|executed|owned|purged|next)"
    r".*|(last|default_master)_(gtid|connection)|sql_(slave|replica)_skip_counter|pseudo_.*|original_.*|"
    r"immediate_server_version|skip_(parallel_)?replication|require_row_format|rbr_exec_mode|group_replication_.*|"
    r"max_relay_log_size|net_retry_count|innodb_replication_delay|transaction_allow_batching": "of replicas' own threads, or "
    "set by them",
    r"wsrep_(?!dirty_reads|sync_wait|causal_reads|retry).*": "needs a cluster",
    r"(aria|myisam|key|archive|ndb|rocksdb|mroonga|spider|memory)_.*|delay_.*|concurrent_insert|keep_files_on_create|"
    r"preload_buffer_size|bulk_insert_buffer_size|external_table.*|secondary_engine.*|enable_secondary.*|column_compression_.*|"
    r"encrypt_tmp.*": "of engines and columns that a backup refuses, or that no table of ours has",
    r"innodb_(buffer_pool|buffer|log|io|flush|max_dirty|adaptive|lru|old|page|purge|read_ahead|random|spin|sync|write|read_io|"
    r"undo|redo|doublewrite|change_buff|cmp|compression|defragment|encryption|idle|autoextend|max_undo|max_purge|monitor|"
    r"thread|concurrency|commit|numa|fsync|fast|extend|segment|rollback_seg|parallel|ddl|sort|tmpdir|disable_sort|cleaner|"
    r"background|instant|scrub|immediate|prefix|api|online|open_files|fill|use|stats|checkpoint|trx|merge|ft|optimize_full|"
    r"validate|checksum|default_encryption|alter_copy|dedicated|file_per|temp|saved|master|limit|limits|ibuf|compress|"
    r"disallow|simulate|tmp)(_.*)?": "how InnoDB uses memory, disk and threads, and its estimates",
    r"innodb_(force_load_corrupted|log_checkpoint_now|buf_.*|semaphore.*|stats_.*|native_foreign_keys)": "for a damaged "
    "server, and orders to do something now",
    r".*_(alloc_block|prealloc|cache|buffer|buffer_space|merge_buff|chunk|buff|open_cache|definition_cache)(_.*)?_?(size|limit|"
    r"instances|triggers)?|table_open_cache.*|thread_(cache|stack|pool|handling).*|host_cache_size|stored_program.*|back_log|"
    r"temptable_.*|tmp_.*_size|max_heap_table_size|big_tables|internal_tmp.*|set_operations_.*|regexp_.*|max_digest_length|"
    r"container_aware|server_memory|query_cache_(limit|min|size|strip).*|optimizer_max_sel.*|max_rowid_filter_size|"
    r"max_length_for_sort_data|connection_memory_(chunk|status).*|global_connection_memory_(status|tracking).*|"
    r"large_page.*|schema_definition_cache|tablespace_.*|parser_max_mem_size|max_session_mem_used|mrr_.*|join_.*|read_.*_size|query_.*_size|"
    r"range_.*|rowid_.*|metadata_locks.*": "sizes memory: a result that does not fit takes a file, and is the same",
    r"optimizer_.*|eq_range.*|max_seeks_for_key|expensive_.*|in_predicate.*|use_stat_tables|cte_max.*|"
    r"max_recursive.*|deadlock_.*|windowing_.*|explain_.*|end_markers_in_json|new_mode": "which way a plan takes, or how it is shown",
    r"(admin|ssl|tls|caching_sha2|sha256|mysqlx|named_pipe|shared_memory|authentication|auto_generate|check_proxy|proxy|"
    r"validate_password|password|default_password|generated_random|strict_password|old_passwords|secure_auth|keyring|"
    r"mandatory|activate|partial_revokes|automatic_sp|persist|protocol|require_secure|create_admin|disconnect|skip_show|"
    r"external_user|dragnet|connection_control|max_password)(_.*)?|print_identified.*|redirect_url": "who may log in, and how: tests of "
    "TLS and of logins are for these",
    r"event_scheduler|flush|flush_time|extra_max_connections|slow_launch_time|max_connect_errors|"
    r"(max_)?(delayed|insert_delayed)_.*|max_write_lock_count|tcp_.*|interactive_timeout|offline_mode_.*|"
    r"max_prepared_stmt_count|max_connections|max_user_connections|stored_.*|max_sp_recursion_depth|license|proxy_.*|"
    r"net_buffer_length|max_.*_threads": "of other sessions, or tested by itself",
    r"binlog_(?!format|row_image|row_value|direct|alter_two).*|expire_logs_days|max_binlog_size|sync_binlog|sync_frm|log_bin.*|"
    r"server_id.*|enforce_gtid_consistency|gtid_(mode|strict).*|xa_detach.*|transaction_write_set.*": "how the binary log "
    "is written and kept",
    r"auto_increment_.*|div_precision_increment|default_week_format|lc_time_names|block_encryption_mode|"
    r"default_regex_flags|ft_.*|max_points_in_geometry|rand_seed.*|group_concat_max_len|system_versioning_asof|"
    r"system_versioning_alter_history|updatable_views_with_limit|storage_engine|statement_id": "of the user's own "
    "expressions, views and keys, which give here what they give elsewhere",
    r"lower_case.*|.*(dir|path|file|filename|socket)$|version.*|have_.*|hostname|port|pid_file|error_count|warning_count|"
    r"in_transaction|identity|last_insert_id|init_connect|read_only|super_read_only|innodb_read_only|offline_mode|timestamp|"
    r"insert_id|default_collation_for_utf8mb4|terminology_use_previous|resultset_metadata|use_secondary_engine|sql_log_bin|"
    r"character_set_(database|system)|collation_database|show_create_table_skip.*|mysql56_temporal_format|"
    r"secure_timestamp|timed_mutexes": "not the server's to set for all, or tested by itself",
}
"""Patterns of whole names, in small letters, each with why."""

TRIED = {
    "local_infile",
    "sql_buffer_result",
    "big_tables",
    "group_concat_max_len",
    "max_binlog_cache_size",
    "max_binlog_stmt_cache_size",
    "timestamp",
    "insert_id",
    "read_only",
    "super_read_only",
    "offline_mode",
}
"""What is tried although a pattern has its name."""

TEXTS: dict[str, tuple[str, ...]] = {
    "sql_mode": (
        "'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'",
        "'PAD_CHAR_TO_FULL_LENGTH,NO_UNSIGNED_SUBTRACTION,NO_DIR_IN_CREATE'",
        "'TRADITIONAL'",
        "''",
    ),
    "time_zone": ("'-07:30'",),
    "character_set_client": ("latin1",),
    "character_set_connection": ("latin1",),
    "character_set_results": ("latin1", "NULL"),
    "character_set_filesystem": ("utf8mb4",),
    "character_set_server": ("latin1",),
    "character_set_collations": ("'utf8mb4=utf8mb4_bin,utf8mb3=utf8mb3_bin,latin1=latin1_bin'",),
    "collation_connection": ("latin1_bin", "utf8mb4_bin"),
    "collation_server": ("latin1_bin",),
    "lc_messages": ("de_DE",),
    "default_storage_engine": ("MyISAM",),
    "default_tmp_storage_engine": ("MyISAM",),
    "enforce_storage_engine": ("MyISAM", "InnoDB"),
    "binlog_row_value_options": ("PARTIAL_JSON",),
    "max_statement_time": ("0.0001", "1"),
    "timestamp": ("1000000000",),
    "insert_id": ("7",),
    "innodb_change_buffering": ("none", "all"),
    "innodb_default_row_format": ("redundant", "compact"),
    "old_mode": ("'ZERO_DATE_TIME_CAST,NO_DUP_KEY_WARNINGS_WITH_IGNORE'",),
}
"""What can be said where a variable's values are words."""

REFUSED: dict[str, str] = {
    "read_only": "insert: 503 read-only-server",
    "super_read_only": "insert: 503 read-only-server",
    "offline_mode": "insert: 503 database-unavailable",
    "insert_id": "insert: 503 session-differs",
    "local_infile": "restore: 409 conflict",
    "default_table_encryption": "restore: 409 conflict",
    "enforce_storage_engine": "load: ",
    "innodb_force_primary_key": "restore: 409 conflict",
    "sql_generate_invisible_primary_key": "restore: 409 conflict",
    "sql_require_primary_key": "restore: 409 conflict",
}
"""Variables that may make an operation impossible, with what then says so."""

SET_TOO = {"super_read_only": "read_only"}
"""Variables that another one sets besides itself."""


@dataclass(frozen=True)
class Variable:
    """One that can be set, by its name in small letters, and values that do harm."""

    name: str
    everywhere: bool
    """Whether it has a value for the whole server."""

    values: tuple[str, ...]


def left_out(name: str) -> bool:
    return name not in TRIED and any(re.fullmatch(pattern, name) for pattern in LEFT_OUT)


@contextlib.contextmanager
def administrator(server: Server) -> Iterator["pymysql.cursors.Cursor"]:
    with contextlib.closing(connect(server.url)) as connection, connection.cursor() as cursor:
        yield cursor


def variables(server: Server) -> list[Variable]:
    """All that are not left out, by the server's own lists; those without a value to try have none."""
    with administrator(server) as admin:
        if server.mariadb:
            admin.execute(
                "SELECT LOWER(variable_name), variable_scope <> 'SESSION ONLY', variable_type, numeric_min_value,"
                " enum_value_list, IFNULL(global_value, default_value) FROM information_schema.system_variables"
                " WHERE read_only = 'NO' ORDER BY 1"
            )
        else:
            admin.execute(
                "SELECT variable_name, variable_scope <> 'SESSION_ONLY', UPPER(data_type), min_value, NULL, g.variable_value"
                " FROM performance_schema.variables_metadata m LEFT JOIN performance_schema.global_variables g"
                " USING (variable_name) ORDER BY 1"
            )
        rows = list(admin.fetchall())
        found = []
        for name, everywhere, kind, least, members, now in rows:
            if not left_out(name) and _can_be_set(admin, name, bool(everywhere)):
                values = TEXTS.get(name) or _values(admin, name, str(kind), least, members, str(now))
                found.append(Variable(name, bool(everywhere), tuple(values)))
        return found


def _can_be_set(admin: "pymysql.cursors.Cursor", name: str, everywhere: bool) -> bool:
    scope = "GLOBAL" if everywhere else "SESSION"
    try:
        admin.execute(f"SET {scope} {name} = @@{scope}.{name}")
    except pymysql.err.MySQLError as error:
        return bool(error.args[0] not in (1238, 1193))  # read only, or of another server
    return True


def _values(
    admin: "pymysql.cursors.Cursor", name: str, kind: str, least: Any, members: str | None, now: str
) -> Sequence[str]:
    if kind.startswith("BOOL"):
        return ["0" if now in ("ON", "1", "YES") else "1"]
    if members and kind == "ENUM":
        return [f"'{member}'" for member in members.split(",") if member.lower() != now.lower()]
    if kind == "ENUMERATION":
        return _members(admin, name)
    if least is not None and least != "":
        smallest = int(float(least))
        return [str(smallest), str(smallest + 1)]
    return []


def _members(admin: "pymysql.cursors.Cursor", name: str) -> list[str]:
    """The members of an enumeration besides that of now, which MySQL takes by number and does not list."""
    admin.execute(f"SELECT @@GLOBAL.{name}")
    [(before,)] = admin.fetchall()
    found = []
    try:
        for number in range(20):
            try:
                admin.execute(f"SET GLOBAL {name} = {number}")
            except pymysql.err.MySQLError:
                break
            admin.execute(f"SELECT @@GLOBAL.{name}")
            [(member,)] = admin.fetchall()
            if member != before:
                found.append(f"'{member}'")
    finally:
        admin.execute(f"SET GLOBAL {name} = %s", (before,))
    return found


@contextlib.contextmanager
def set_so(server: Server, plain: str, settings: Sequence[tuple[Variable, str]]) -> Iterator[None]:
    """The server with these settings, everywhere and by ``init_connect``, for those whom ``plain`` is the URL of one of."""
    with administrator(server) as admin:
        before: list[tuple[str, Any]] = []
        try:
            said = []
            for variable, value in settings:
                if variable.everywhere:
                    if variable.name in SET_TOO:
                        admin.execute(f"SELECT @@GLOBAL.{SET_TOO[variable.name]}")
                        before.append((SET_TOO[variable.name], admin.fetchall()[0][0]))
                    admin.execute(f"SELECT @@GLOBAL.{variable.name}")
                    [(now,)] = admin.fetchall()
                    with contextlib.suppress(pymysql.err.MySQLError):
                        admin.execute(f"SET GLOBAL {variable.name} = {value}")
                        before.append((variable.name, now))
                if _may(plain, f"SET SESSION {variable.name} = {value}"):
                    said.append(f"SET SESSION {variable.name} = {value}")
            admin.execute("SET GLOBAL init_connect = %s", ("; ".join(said),))
            yield
        finally:
            admin.execute("SET GLOBAL init_connect = ''")
            for name, value in reversed(before):
                admin.execute(f"SET GLOBAL {name} = %s", (float(value) if _is_decimal(value) else value,))


def _may(url: str, statement: str) -> bool:
    try:
        with contextlib.closing(connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
    except pymysql.err.MySQLError:
        return False
    return True


def _is_decimal(value: object) -> bool:
    return isinstance(value, float) or type(value).__name__ == "Decimal"
