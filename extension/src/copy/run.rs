//! Running a COPY FROM: PostgreSQL's COPY into the local fragment pulls, and pulls the others along.
//!
//! # Unwind safety
//! PostgreSQL's COPY functions are called outside of [`entry`], with nothing droppable on the stack; the job is dropped with
//! the statement's memory.

use crate::copy::job::Job;
use crate::pg::entry::entry;
use crate::pg::raw;
use pgrx::pg_sys::{self, QueryCompletion};
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    /// The job whose local COPY runs: its callback has no argument.
    static RUNNING: Cell<*mut Job> = const { Cell::new(std::ptr::null_mut()) };
}

/// Runs the job that `before` prepared.
///
/// # Safety
/// `job` comes from [`Job::create`] of the same statement; nothing droppable is on the caller's stack.
pub unsafe fn run(job: *mut c_void, qc: *mut QueryCompletion) {
    let job = job.cast::<Job>();
    // SAFETY: PostgreSQL's COPY states over an open, locked and checked relation.
    unsafe {
        let copy = (*job).statement;
        let none = std::ptr::null_mut();
        let encoding = entry(|| server_encoding());
        (*job).main = raw::BeginCopyFrom(
            (*job).table.state(),
            (*job).table.relation(),
            none,
            (*copy).filename,
            (*copy).is_program,
            None,
            (*copy).attlist,
            (*copy).options,
        );
        (*job).local = raw::BeginCopyFrom(
            (*job).table.state(),
            (*job).table.relation(),
            (*job).condition,
            std::ptr::null(),
            false,
            Some(source),
            (*copy).attlist,
            encoding,
        );
        (*job).context = pg_sys::error_context_stack;
        if (*job).by_tuple {
            entry(|| (*job).econtext = pg_sys::CreateStandaloneExprContext());
        }
        let outer = RUNNING.replace(job);
        let here = raw::CopyFrom((*job).local);
        RUNNING.set(outer);
        raw::EndCopyFrom((*job).local);
        raw::EndCopyFrom((*job).main);
        let total = entry(|| {
            let total = (&mut *job).finish(here);
            (*job).table.close();
            total
        });
        if !qc.is_null() {
            (*qc).commandTag = pg_sys::CommandTag::CMDTAG_COPY;
            (*qc).nprocessed = total;
        }
    }
}

/// The option that says: the lines have been converted from the client's encoding already.
unsafe fn server_encoding() -> *mut pg_sys::List {
    // SAFETY: the name of an encoding is static and never written to.
    unsafe {
        let name = pg_sys::GetDatabaseEncodingName().cast_mut();
        let value = pg_sys::makeString(name).cast();
        let option = pg_sys::makeDefElem(c"encoding".as_ptr().cast_mut(), value, -1);
        pg_sys::lappend(std::ptr::null_mut(), option.cast())
    }
}

/// Gives the local COPY its lines, reading (and sending out) as much as that takes.
unsafe extern "C-unwind" fn source(buffer: *mut c_void, _least: i32, most: i32) -> i32 {
    let job = RUNNING.get();
    // SAFETY: called by the local COPY of the running job; the buffer has room for `most` bytes. A local table's
    // trigger may run another COPY meanwhile: RUNNING is put back after it.
    unsafe {
        let inner_context = pg_sys::error_context_stack;
        let mut context = pg_sys::ErrorContextCallback {
            previous: (*job).context,
            callback: Some(raw::CopyFromErrorCallback),
            arg: (*job).main.cast(),
        };
        pg_sys::error_context_stack = &mut context;
        while !(*job).ended && (*job).here.len() < most as usize {
            RUNNING.set(job);
            read_line(job);
        }
        pg_sys::error_context_stack = inner_context;
        entry(|| {
            let here = &mut (*job).here;
            let count = here.len().min(most as usize);
            for (index, byte) in here.drain(..count).enumerate() {
                *buffer.cast::<u8>().add(index) = byte;
            }
            count as i32
        })
    }
}

unsafe fn read_line(job: *mut Job) {
    // SAFETY: the main COPY state is open; what it returns lives until the next line; nothing droppable lives here.
    unsafe {
        let scratch = entry(|| line_context());
        let more = if (*job).by_tuple {
            let (values, nulls) = (&mut *job).tuple_buffers();
            let old = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = scratch;
            let more = raw::NextCopyFrom((*job).main, (*job).econtext, values, nulls);
            pg_sys::CurrentMemoryContext = old;
            if more {
                entry(|| within(scratch, || (&mut *job).take_tuple()));
            }
            more
        } else {
            let mut fields = std::ptr::null_mut();
            let mut count = 0;
            let more = raw::NextCopyFromRawFields((*job).main, &mut fields, &mut count);
            if more {
                entry(|| within(scratch, || (&mut *job).take_fields(fields, count as usize)));
            }
            more
        };
        (*job).ended = !more;
    }
}

unsafe fn within(context: pg_sys::MemoryContext, body: impl FnOnce()) {
    // SAFETY: switches back when the body returns; an error leaves the context to the error handling, as usual.
    unsafe {
        let old = pg_sys::MemoryContextSwitchTo(context);
        body();
        pg_sys::MemoryContextSwitchTo(old);
    }
}

/// A memory context for one line's values, emptied by each call.
unsafe fn line_context() -> pg_sys::MemoryContext {
    thread_local! {
        static CONTEXT: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
    }
    // SAFETY: made once a backend, below the top context, and reset between lines.
    unsafe {
        if CONTEXT.get().is_null() {
            CONTEXT.set(pg_sys::AllocSetContextCreateExtended(
                pg_sys::TopMemoryContext,
                c"expanse COPY line".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            ));
        }
        pg_sys::MemoryContextReset(CONTEXT.get());
        CONTEXT.get()
    }
}
