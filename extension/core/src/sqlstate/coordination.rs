//! Conditions of the coordination store: ZooKeeper, or the embedded directory.

super::sqlstates! {
    COORDINATION_INVALID_ADDRESS = "XPC01", "coordination_invalid_address",
        "The address of the coordination store is not valid.",
        "The sidecar starts with a wrong value of coordination.url in its configuration.",
        "Use dir:///absolute/path or zookeeper://[user:password@]host:port,host:port/path.";
    COORDINATION_INVALID_PATH = "XPC02", "coordination_invalid_path",
        "The path of an entry is not valid.",
        "An entry is named by a path that is relative, or that has empty or relative parts.",
        "Use an absolute path without empty or relative parts.";
    COORDINATION_TOO_LARGE = "XPC03", "coordination_too_large",
        "An entry would be larger than the store allows.",
        "More than 1032192 bytes are written to one entry.",
        "Keep bulk data in the database.";
    COORDINATION_NOT_FOUND = "XPC04", "coordination_not_found",
        "An entry does not exist.",
        "An entry is read, changed or deleted that was never created or is deleted already.",
        "Create it, or check the path.";
    COORDINATION_ALREADY_EXISTS = "XPC05", "coordination_already_exists",
        "An entry already exists.",
        "An entry is created a second time, or the entry of a process that has died is still there.",
        "Read it; the entry of a process that has died vanishes within the session timeout.";
    COORDINATION_VERSION_MISMATCH = "XPC06", "coordination_version_mismatch",
        "An entry is no longer at the version that was read.",
        "Another process has changed the entry meanwhile.",
        "Read it again and decide anew.";
    COORDINATION_NOT_EMPTY = "XPC07", "coordination_not_empty",
        "An entry has entries below it.",
        "An entry is deleted that is the parent of others.",
        "Delete the entries below it first.";
    COORDINATION_EPHEMERAL_PARENT = "XPC08", "coordination_ephemeral_parent",
        "The parent of an entry is ephemeral.",
        "An entry is created below one that ends with its session.",
        "Put it below a persistent entry.";
    COORDINATION_DAMAGED = "XPC09", "coordination_damaged",
        "An entry cannot be read.",
        "The contents of the entry are not what the sidecar writes there.",
        "Look at the entry; it was not written by this program.";
    COORDINATION_ACCESS_DENIED = "XPC10", "coordination_access_denied",
        "The coordination store refused access.",
        "The user or the password in coordination.url is wrong, or the entries belong to another user.",
        "Check user and password, and the owner of the entries.";
    COORDINATION_UNAVAILABLE = "XPC11", "coordination_unavailable",
        "The coordination store cannot be reached.",
        "Its servers are down or have no majority, or the network between them and this machine is cut.",
        "Check that the coordination servers run and can be reached from here.";
    COORDINATION_DEADLINE_EXCEEDED = "XPC12", "coordination_deadline_exceeded",
        "The coordination store did not answer in time.",
        "Its servers are overloaded or stopped, or the network is slow.",
        "Check that the coordination servers run and can be reached from here.";
    COORDINATION_UNKNOWN_OUTCOME = "XPC13", "coordination_unknown_outcome",
        "It is not known whether a change of an entry was made.",
        "The connection was lost after the request had been sent.",
        "Read the entry to see whether the change was made.";
    COORDINATION_SESSION_LOST = "XPC14", "coordination_session_lost",
        "The session with the coordination store has ended.",
        "The sidecar could not reach the store for longer than the session timeout.",
        "A new session is made by itself; try again.";
    COORDINATION_CLOSED = "XPC15", "coordination_closed",
        "The coordination store has been closed.",
        "A call is made while the sidecar stops.",
        "The sidecar is stopping.";
}
