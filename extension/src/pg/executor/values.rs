//! Values in and out: by the functions of their types, as text and in binary.

use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Datum, FmgrInfo, Oid};
use std::ffi::CStr;

/// Writes values of one type as text. Lives in the memory context that was current when it was made.
pub struct Output(FmgrInfo);

impl Output {
    pub fn new(kind: Oid) -> Output {
        Output(function(output_function(kind)))
    }

    /// Hands the value's text to `take`.
    pub fn text<T>(&mut self, value: Datum, take: impl FnOnce(&CStr) -> T) -> T {
        // SAFETY: the type's own function, which gives a palloc'd text.
        unsafe {
            let text = pg_sys::OutputFunctionCall(&mut self.0, value);
            let taken = take(CStr::from_ptr(text));
            pg_sys::pfree(text.cast());
            taken
        }
    }
}

/// A value's text.
pub fn text_of(value: Datum, kind: Oid) -> Vec<u8> {
    // SAFETY: the type's own function, which gives a palloc'd text.
    unsafe { CStr::from_ptr(pg_sys::OidOutputFunctionCall(output_function(kind), value)) }
        .to_bytes()
        .to_vec()
}

fn output_function(kind: Oid) -> Oid {
    let (mut id, mut variable) = (pg_sys::InvalidOid, false);
    // SAFETY: a catalog lookup, which raises for a type that does not exist.
    unsafe { pg_sys::getTypeOutputInfo(kind, &mut id, &mut variable) };
    id
}

/// The function itself, looked up for many calls.
pub fn function(id: Oid) -> FmgrInfo {
    let mut function = FmgrInfo::default();
    // SAFETY: fills the structure for an existing function, or raises.
    unsafe { pg_sys::fmgr_info(id, &mut function) };
    function
}

/// Reads values of one type, as text or in binary. Lives in the memory context that was current when it was made.
#[derive(Clone, Copy)]
pub struct Input {
    function: FmgrInfo,
    io_param: Oid,
    typmod: i32,
    binary: bool,
}

impl Input {
    pub fn new(kind: Oid, typmod: i32, binary: bool) -> Input {
        let (mut id, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        // SAFETY: catalog lookups, which raise for a type that does not exist or has no such function.
        unsafe {
            if binary {
                pg_sys::getTypeBinaryInputInfo(kind, &mut id, &mut io_param);
            } else {
                pg_sys::getTypeInputInfo(kind, &mut id, &mut io_param);
            }
        }
        Input {
            function: function(id),
            io_param,
            typmod,
            binary,
        }
    }

    /// The value that a text stands for, in the current memory context; only inside of [`crate::pg::entry::entry`].
    pub fn read_text(&mut self, text: &CStr) -> Datum {
        // SAFETY: a NUL byte follows; the type's function reads any text or raises, below a guard.
        unsafe { guarded(|| self.read(text.to_bytes())) }
    }

    /// The value that the bytes stand for, in the current memory context.
    ///
    /// # Safety
    /// Bytes of a value of the type, followed by a NUL byte when they are text. Nothing droppable lives in the callers'
    /// frames, or there is a guard between: an error reaches PostgreSQL's handler as it is.
    pub unsafe fn read(&mut self, bytes: &[u8]) -> Datum {
        let data = bytes.as_ptr().cast_mut().cast();
        // SAFETY: as the caller promises; neither function changes what it reads.
        unsafe {
            if !self.binary {
                return raw::InputFunctionCall(
                    &mut self.function,
                    data,
                    self.io_param,
                    self.typmod,
                );
            }
            let mut buffer = pg_sys::StringInfoData {
                data,
                len: bytes.len() as i32,
                maxlen: bytes.len() as i32 + 1,
                cursor: 0,
            };
            raw::ReceiveFunctionCall(&mut self.function, &mut buffer, self.io_param, self.typmod)
        }
    }
}

/// A byte string or text of PostgreSQL's, in the current memory context.
///
/// # Safety
/// Nothing droppable lives in the callers' frames, or there is a guard between (there may be no memory left).
pub unsafe fn varlena(bytes: &[u8]) -> Datum {
    let size = bytes.len() + pg_sys::VARHDRSZ;
    // SAFETY: the memory has room for the header and the bytes.
    unsafe {
        let place = raw::palloc(size).cast::<u8>();
        pgrx::set_varsize_4b(place.cast(), size as i32);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.add(pg_sys::VARHDRSZ), bytes.len());
        Datum::from(place)
    }
}
