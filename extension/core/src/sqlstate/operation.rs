//! Conditions of operations, and of commands that the sidecar runs on nodes.

super::sqlstates! {
    COMMAND_TIMEOUT = "XP101", "command_timeout",
        "A node did not answer a command of the sidecar in time.",
        "The node is overloaded, stopped or cut off, or the command waits for a lock there. The sidecar repeats commands that can be repeated.",
        "See pg_stat_activity and pg_locks on that node for what it waits for, and cluster_nodes for its load.";
    NO_FREE_CONNECTION = "XP102", "no_free_connection",
        "No connection to a node was free for a command in time.",
        "All connections that the sidecar may have to the node, or for this class of commands, are in use.",
        "See SELECT * FROM cluster_executor; raise executor.sockets_per_node or the limit of the class if they are always in use.";
    UNEXPECTED_ANSWER = "XP103", "unexpected_answer",
        "A node answered a command with something else than expected.",
        "The sidecar and the extension on that node are of different versions, or the metadata there was changed by hand.",
        "Install the same version of Expanse on all nodes, then repeat the command.";
    CIRCUIT_OPEN = "XP104", "circuit_open",
        "A node is not asked at present, because it has not answered lately.",
        "The circuit breaker of the sidecar has opened after several failures in a row.",
        "See SELECT * FROM cluster_executor for the reason; it is asked again by itself.";
    COMMAND_OUTCOME_UNKNOWN = "XP105", "command_outcome_unknown",
        "It is not known whether a command of the sidecar was committed on a node.",
        "The answer to its COMMIT was lost, and the node could not be asked for the outcome afterwards.",
        "Look on that node whether it had its effect before it is repeated.";
    TOOL_FAILED = "XP111", "tool_failed",
        "A program of PostgreSQL failed.",
        "The programs pg_dump or psql, which copy the schema to a new node, end with an error.",
        "Correct what the program says, then repeat the expansion.";
    TOOL_MISSING = "XP112", "tool_missing",
        "A program of PostgreSQL could not be run.",
        "The programs pg_dump or psql are not where the sidecar looks for them.",
        "Set postgres.bin_dir in the configuration of expansed to the directory of pg_dump and psql.";
    NOT_LEADER = "XP113", "not_leader",
        "This sidecar no longer leads, so it has stopped the operation.",
        "Another sidecar has become the leader. The operation goes on there.",
        "Wait: the operation goes on under the new leader.";
    JOURNAL_DAMAGED = "XP114", "journal_damaged",
        "The journal entry of an operation cannot be read.",
        "The entry was written by another program or by a newer version of the sidecar.",
        "Run the newest version of expansed on all nodes.";
    STREAM_TOO_SLOW = "XP120", "stream_too_slow",
        "The last changes of a node did not reach their targets within the freeze.",
        "A target applies changes too slowly at the switch of a rebind or the activation of a node. The operation tries again by itself.",
        "Let the rebind try again when less is written, or give it a longer max_write_freeze.";
    NO_REPLICA_IDENTITY = "XP121", "no_replica_identity",
        "A table of the group has no replica identity.",
        "A rebind with the strategy move needs one to apply updates and deletes.",
        "Add a primary key, or run ALTER TABLE ... REPLICA IDENTITY FULL.";
    SETTING_TOO_LOW = "XP122", "setting_too_low",
        "A setting of a node does not allow this rebind.",
        "The node has too few replication slots, WAL senders or workers left for the streams of the rebind.",
        "Raise the setting that the message names on that node and restart it.";
    STREAM_FAILED = "XP123", "stream_failed",
        "A stream of logical replication has failed again and again.",
        "The target cannot apply a change, usually because of a constraint or a full disk.",
        "See the server log of the node that the message names.";
    FREEZE_GIVEN_UP = "XP124", "freeze_given_up",
        "Writes could not be held up for as short as allowed, in any attempt.",
        "All attempts of operations.switch_attempts at the switch of a rebind or the activation of a node have failed. The operation is undone.",
        "End the transaction that stands in the way, or repeat the operation at a quieter time or with a longer max_write_freeze.";
    BLOCKED_TOO_LONG = "XP125", "blocked_too_long",
        "What a write freeze or a table lock has to wait for has not ended in time.",
        "A transaction stays open that uses the tables of the group. The operation tries again by itself.",
        "End the transaction that the message names.";
    STEP_IN_DOUBT = "XP126", "step_in_doubt",
        "It is not yet known whether a step of an operation was committed.",
        "The sidecar goes on with an operation after a crash and finds a prepared transaction that may be the step. It looks again by itself.",
        "Wait until the transaction is decided; the sidecar of its coordinator does that.";
    COPIES_DIFFER = "XP127", "copies_differ",
        "The new copies of a rebind differ from the old ones.",
        "Counts or digests of a bucket do not agree at the switch. The switch is reversed and nothing is deleted.",
        "Nothing was deleted from the old copies. Find out what wrote to the new owners' fragments, then repeat the rebind.";
    COMPARISON_INCOMPLETE = "XP128", "comparison_incomplete",
        "Old and new copies could not be compared.",
        "A freeze ends before each node of a rebind has taken its snapshot. The operation tries again by itself.",
        "Wait: the rebind compares again.";
    NOT_REVERSIBLE = "XP129", "not_reversible",
        "An operation cannot be reversed or finished in its present state.",
        "The functions cluster_reverse or cluster_finish name an operation that is no rebind, that has not switched yet, or that is being undone.",
        "Stop it with SELECT cluster_cancel(operation), or let it end.";
    OPERATION_FINISHED = "XP130", "operation_finished",
        "An operation has already finished.",
        "An operation is paused, resumed, cancelled, reversed or finished after its end.",
        "See SELECT * FROM cluster_operations for its outcome.";
    PAST_NO_RETURN = "XP131", "past_no_return",
        "An operation cannot be undone any more.",
        "An operation is cancelled or reversed after the step that was its point of no return.",
        "Let it end: SELECT cluster_wait(operation).";
    NOT_PAUSED = "XP132", "not_paused",
        "An operation is not paused.",
        "The function cluster_resume names an operation that runs or waits.",
        "See SELECT * FROM cluster_operations for its state.";
    INSUFFICIENT_ROOM = "XP133", "insufficient_room",
        "A node lacks room on its disk for what it would get.",
        "A shrink, a rebind or a move to a storage needs more than nine tenths of the free bytes of a node.",
        "Make room there, or add another server first with SELECT cluster_expand(...).";
    DATA_LOSS_NOT_ACCEPTED = "XP134", "data_loss_not_accepted",
        "A node that is to leave does not answer, so its rows would be lost.",
        "The function cluster_shrink names a node that is down, without lose_data.",
        "Start it again, or run SELECT cluster_shrink('node', lose_data => true) to go on without its rows.";
    MIXED_SHRINK = "XP135", "mixed_shrink",
        "Some of the nodes that are to leave answer, and others do not.",
        "The function cluster_shrink names nodes of both kinds with lose_data.",
        "Let the ones that answer leave by an operation of their own, so that only what must be lost is.";
    CHILD_FAILED = "XP136", "child_failed",
        "A rebind that an operation has started did not succeed.",
        "One of the rebinds of cluster_rebind_all, cluster_shrink or cluster_expand was cancelled, without an error of its own.",
        "See SELECT * FROM cluster_operations for the rebind, then repeat the operation.";
    SHARED_DIRECTORY = "XP140", "shared_directory",
        "Two nodes would use the same directory for a storage.",
        "The nodes share a machine or a file system, and the directory is the same for both.",
        "Put {node} into the directory, which stands for the node's name.";
    STORAGE_NOT_EMPTY = "XP141", "storage_not_empty",
        "A storage that is to be dropped is in use on a node.",
        "The function cluster_drop_storage names a storage in which relations or other databases lie.",
        "Move distributed tables away with SELECT cluster_move_table('table', 'pg_default'), and others with ALTER ... SET TABLESPACE on that node.";
    STORAGE_MISSING = "XP142", "storage_missing",
        "A node does not have the tablespace of a storage.",
        "The tablespace was dropped or renamed on that node.",
        "Create a tablespace of that name there, in the directory that cluster_storage shows.";
    PART_NOT_MOVED = "XP143", "part_not_moved",
        "A part of a table does not lie in the storage that it was moved to.",
        "A table or an index has been created or moved elsewhere during cluster_move_table. The operation tries again by itself.",
        "Wait: the operation moves the part again.";
    TABLE_LOCK_GIVEN_UP = "XP144", "table_lock_given_up",
        "A table could not be locked on a node, in any attempt.",
        "All attempts of operations.switch_attempts of cluster_move_table have met other transactions. The operation is undone.",
        "End the transaction that stands in the way, or repeat the move at a quieter time.";
    COPY_BLOCKED = "XP145", "copy_blocked",
        "A lock of another session stands in the way of a copy.",
        "The copy of a rebind cannot begin while a session has locked one of the tables. The operation tries again by itself.",
        "Let its transaction end, or end it on that node with pg_terminate_backend.";
}
