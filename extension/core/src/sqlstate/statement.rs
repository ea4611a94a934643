//! Conditions of statements, and of functions that are called in SQL.

super::sqlstates! {
    NOT_PRELOADED = "XP001", "not_preloaded",
        "The library of Expanse is not loaded as the server starts.",
        "A session loads the library or calls one of its functions, and the library is not in shared_preload_libraries.",
        "Add 'expanse' to shared_preload_libraries in postgresql.conf and restart the server.";
    NOT_IN_CLUSTER = "XP002", "not_in_cluster",
        "This server is not part of a cluster.",
        "A function that needs a cluster is called before cluster_init, or on a server that has left its cluster.",
        "Run SELECT cluster_init('n1', 'address of this server', port) first.";
    ALREADY_IN_CLUSTER = "XP003", "already_in_cluster",
        "This server already belongs to a cluster.",
        "The function cluster_init is called a second time.",
        "Use SELECT cluster_expand(...) to add further servers.";
    UNKNOWN_NODE = "XP004", "unknown_node",
        "The cluster has no node of this name.",
        "A function or an operation names a node that does not exist, or that has left meanwhile.",
        "See SELECT * FROM cluster_nodes.";
    DUPLICATE_NODE = "XP005", "duplicate_node",
        "The cluster already has a node of this name.",
        "A new server is given the name of a node.",
        "Choose another name; see SELECT * FROM cluster_nodes.";
    NODE_UNREACHABLE = "XP006", "node_unreachable",
        "No connection to a node could be made.",
        "A statement, a function or an operation needs a node that is down, cannot be reached, or refuses the connection.",
        "Check that the server runs, listens on this address and lets this node in (pg_hba.conf).";
    CONNECTION_LOST = "XP007", "connection_lost",
        "The connection to a node broke while it was used.",
        "The node stops, or the network fails, during a transaction that uses the node.",
        "The transaction was rolled back; repeat it. See SELECT * FROM cluster_nodes.";
    NODE_INACTIVE = "XP008", "node_inactive",
        "A node that is needed is not active.",
        "A statement needs rows of such a node; or a write to a replicated table, a schema change or an operation needs all nodes.",
        "See SELECT * FROM cluster_nodes.";
    VERSION_MISMATCH = "XP009", "version_mismatch",
        "A new server runs another major version of PostgreSQL than the cluster.",
        "The function cluster_expand is called for such a server.",
        "Install the same major version of PostgreSQL there.";
    SERVER_NOT_EMPTY = "XP010", "server_not_empty",
        "A new server already holds objects of users.",
        "The function cluster_expand is called for a server whose database has tables, schemas, functions, types or extensions.",
        "Give an empty server: nothing of users in this database, be it tables, schemas, functions, types or extensions.";
    SERVER_IN_CLUSTER = "XP011", "server_in_cluster",
        "A new server already belongs to a cluster.",
        "The function cluster_expand is called for a server that is a node of this cluster or of another one.",
        "Give a server that has never been in a cluster.";
    UNSUITABLE_SETTING = "XP012", "unsuitable_setting",
        "A setting of a new server does not fit the cluster.",
        "The function cluster_expand finds a setting that would make the server fail later, or answer differently from the other nodes.",
        "Change the setting that the message names on that server, and restart the server.";
    UNDEFINED_COLUMN = "XP013", "undefined_column",
        "The table has no column of this name.",
        "A distribution column is named that does not exist.",
        "Name a column of the table.";
    KEY_WITHOUT_DISTRIBUTION_COLUMN = "XP014", "key_without_distribution_column",
        "A unique key does not contain the distribution column.",
        "A table with such a key is distributed, or such a key is added to a distributed table. No node could enforce the key alone.",
        "Add the distribution column to the key, or distribute by a column that is in every unique key.";
    NO_HASH_FUNCTION = "XP015", "no_hash_function",
        "The type of a distribution column has no built-in extended hash function.",
        "A table is distributed by a column of such a type, or cluster_bucket is called for a value of one.",
        "Distribute by a column of a built-in hashable type, such as bigint, text or uuid.";
    NOT_DISTRIBUTABLE = "XP016", "not_distributable",
        "A table cannot be distributed or replicated as it is.",
        "The table is of a kind, or has a trigger, a foreign key, a sequence, an expression or a null, that does not work on several nodes.",
        "Change what the message names, then repeat the call.";
    ALREADY_DISTRIBUTED = "XP017", "already_distributed",
        "The table is already distributed or replicated.",
        "A table is distributed or replicated a second time.",
        "See SELECT * FROM cluster_tables.";
    NOT_DISTRIBUTED = "XP018", "not_distributed",
        "A table, or a colocation group, is not part of the cluster.",
        "A function or an operation for distributed tables is given a plain table, or one that has been dropped or localized meanwhile.",
        "Run SELECT cluster_distribute_table('table', 'column') first; see SELECT * FROM cluster_tables.";
    NOT_COLOCATABLE = "XP019", "not_colocatable",
        "Two tables cannot be in one colocation group.",
        "The argument colocate_with names a table whose distribution column has another type, or that is not distributed.",
        "Leave colocate_with out to use the current hash map.";
    NOT_SUPPORTED = "XP020", "not_supported",
        "A statement is not possible on a distributed or replicated table.",
        "A write or a schema change cannot be done on all nodes with one outcome. It is refused before anything is changed.",
        "Follow the hint of the message, which names another way.";
    OPERATION_RUNNING = "XP021", "operation_running",
        "An operation that is running stands in the way.",
        "A schema change meets an expansion, or a second operation is started that cannot run beside the first.",
        "Wait for the operation with SELECT cluster_wait(operation).";
    SIDECAR_UNREACHABLE = "XP022", "sidecar_unreachable",
        "The sidecar of this server does not answer on its control socket.",
        "An operation is started or controlled while expansed is down, or while expanse.control_socket names another path than its configuration.",
        "Start it with systemctl start expansed.";
    UNKNOWN_OPERATION = "XP023", "unknown_operation",
        "The journal has no operation of this id.",
        "An operation is waited for, paused, resumed, cancelled, reversed or finished by a wrong id, or after its entry has aged out.",
        "See SELECT * FROM cluster_operations.";
    GROUP_MOVING = "XP024", "group_moving",
        "A rebind is moving the colocation group.",
        "A schema change of one of its tables, or a change of the group, is attempted meanwhile.",
        "Wait until the rebind has ended; see SELECT * FROM cluster_operations.";
    INVALID_PARAMETER = "XP025", "invalid_parameter",
        "An argument has a value that is not allowed.",
        "A function or an operation is given a bad name, number, interval, list or combination of arguments.",
        "See the reference of the function that was called.";
    OUTCOME_UNKNOWN = "XP026", "outcome_unknown",
        "It is not known whether a transaction was committed.",
        "The connection to the only node that the transaction has written on breaks during its commit, or during a statement that commits by itself.",
        "Read back what the transaction wrote before repeating it.";
    UNKNOWN_HASH_MAP = "XP027", "unknown_hash_map",
        "There is no hash map of this version.",
        "A version is named that never existed, or that was dropped when its last table was rebound.",
        "See SELECT * FROM cluster_hash_maps.";
    TRANSACTION_IN_DOUBT = "XP028", "transaction_in_doubt",
        "A transaction over several nodes is prepared on a node and not yet decided.",
        "A read, a removal or an activation needs the outcome of a transaction whose coordinator has failed.",
        "Its coordinator or the sidecar finishes it; repeat the statement then.";
    BINDING_CHANGED = "XP029", "binding_changed",
        "A colocation group is bound to another hash map version than expected.",
        "A step of a rebind meets a group that has been rebound meanwhile.",
        "See SELECT * FROM cluster_tables.";
    FREEZE_LIMIT_EXCEEDED = "XP030", "freeze_limit_exceeded",
        "A write freeze reached its limit and ended.",
        "The switch of a rebind, or the activation of a node, does not finish within max_write_freeze. The operation tries again by itself.",
        "Try again when fewer transactions write the group.";
    DISTRIBUTION_COLUMN_CHANGED = "XP031", "distribution_column_changed",
        "A trigger has changed the distribution column of a row.",
        "A BEFORE trigger assigns the column of a row whose node was chosen before the trigger ran.",
        "The row would belong to another node; compute the value before the statement.";
    ROLE_CHANGED = "XP032", "role_changed",
        "A transaction goes on under another role on a node that it has already used.",
        "The role changes by SET ROLE, by a SECURITY DEFINER function or by a view of another owner, after a write on that node or before a schema change.",
        "Commit first, or do all of it under one role.";
    SERIALIZABLE_NOT_SUPPORTED = "XP033", "serializable_not_supported",
        "A SERIALIZABLE transaction uses a second node.",
        "Serialization failures are found by each node alone, so the isolation level cannot be kept over several nodes.",
        "Use REPEATABLE READ, and lock explicitly what must not change.";
    REMOTE_ROWS_NEEDED = "XP034", "remote_rows_needed",
        "A function that runs on another node for a statement needs rows of further nodes.",
        "A trigger, a function or a row security policy reads or writes a distributed table without naming rows of the same key.",
        "Let it name rows by the distribution column, with the key of the row that it runs for, or read replicated tables; \
         what needs other rows is for the client's own statements.";
    NODES_ONLY = "XP035", "nodes_only",
        "Only nodes of the cluster may do this.",
        "A client calls an internal function, or connects as a node with a key that is not the cluster's.",
        "Nodes show one another a key, which is kept in expanse.cluster of each.";
    SEARCH_PATH_HIDES_BUILT_IN = "XP036", "search_path_hides_built_in",
        "The search path puts a schema that hides built-in objects before pg_catalog.",
        "A statement for other nodes is sent while search_path names such a schema first. A name could mean another object there.",
        "Leave pg_catalog out of search_path, and name that schema where its objects are meant.";
    NO_NODE_LEFT = "XP040", "no_node_left",
        "No node would be left in the cluster.",
        "The function cluster_shrink names all active nodes, or none.",
        "Add another server first, with SELECT cluster_expand(...).";
    NODE_STILL_BOUND = "XP041", "node_still_bound",
        "A node that is to leave is still needed by a colocation group.",
        "The group is bound to, or moves to or from, a hash map in which the node owns buckets.",
        "Rebind its tables first, or run SELECT cluster_shrink(...).";
    UNKNOWN_STORAGE = "XP050", "unknown_storage",
        "The cluster has no storage of this name.",
        "A storage is named that does not exist, or a tablespace that only one node has.",
        "See SELECT * FROM cluster_storage, or add it with SELECT cluster_add_storage(...).";
    DUPLICATE_STORAGE = "XP051", "duplicate_storage",
        "A storage or a tablespace of this name already exists.",
        "The function cluster_add_storage is called with a name that the cluster or one of its nodes already uses.",
        "Choose another name; see SELECT * FROM cluster_storage.";
    UNUSABLE_DIRECTORY = "XP052", "unusable_directory",
        "A node cannot use the directory of a storage.",
        "The directory is missing a parent, is not empty, belongs to another user, or lies inside the data directory.",
        "Correct the directory on the node that the message names, or name another one.";
    UNUSABLE_INDEX_ORDER = "XP053", "unusable_index_order",
        "An index cannot give a table its order.",
        "The argument cluster_on of cluster_move_table names an index of another table, an incomplete or invalid one, or one without an order.",
        "Give a complete, valid index of an ordered method of the table itself, or leave cluster_on out.";
    STORAGE_OF_CLUSTER = "XP054", "storage_of_cluster",
        "A tablespace is a storage of the cluster and cannot be changed on one node.",
        "DROP TABLESPACE or ALTER TABLESPACE RENAME names a storage.",
        "Use SELECT cluster_drop_storage(...), which removes it from every node.";
    TABLESPACE_OF_ONE_NODE = "XP055", "tablespace_of_one_node",
        "A tablespace is no storage of the cluster.",
        "An index of a distributed or replicated table is created in a tablespace that other nodes do not have.",
        "Leave TABLESPACE out, or run SELECT cluster_add_storage('tablespace', 'directory') first.";
}
