//! From a value on the wire to a datum.
//!
//! The commonest types are decoded here. Binary results are asked for only when every column is of a type listed in
//! [`binary_ready`]: PostgreSQL's own receive functions of text-like types would convert from the client's encoding, but
//! nodes talk in the server's.

use crate::pg::raw;
use pgrx::pg_sys::{self, *};
use std::os::raw::c_char;

/// How one column is decoded.
#[derive(Clone, Copy)]
pub enum Decoder {
    Bool,
    Int16,
    Int32,
    Int64,
    /// Text-like and byte strings: the bytes are the value.
    Bytes,
    Receive {
        function: FmgrInfo,
        io_param: Oid,
        typmod: i32,
    },
    Input {
        function: FmgrInfo,
        io_param: Oid,
        typmod: i32,
    },
}

/// Can columns of this type be asked for in binary?
pub fn binary_ready(kind: Oid) -> bool {
    direct(kind).is_some()
        || matches!(
            kind.to_u32(),
            // numeric, interval, timetz, uuid, inet, cidr, macaddr, bit, varbit
            1700 | 1186 | 1266 | 2950 | 869 | 650 | 829 | 1560 | 1562
            // arrays of bool, int2, int4, int8, float4, float8, numeric, date, timestamp, timestamptz, uuid
            | 1000 | 1005 | 1007 | 1016 | 1021 | 1022 | 1231 | 1182 | 1115 | 1185 | 2951
        )
}

fn direct(kind: Oid) -> Option<Decoder> {
    Some(match kind {
        BOOLOID => Decoder::Bool,
        INT2OID => Decoder::Int16,
        INT4OID | FLOAT4OID | OIDOID | DATEOID => Decoder::Int32,
        INT8OID | FLOAT8OID | TIMEOID | TIMESTAMPOID | TIMESTAMPTZOID | MONEYOID => Decoder::Int64,
        TEXTOID | VARCHAROID | BPCHAROID | BYTEAOID => Decoder::Bytes,
        _ => return None,
    })
}

impl Decoder {
    /// For values of a type; lives in the current memory context.
    pub fn new(kind: Oid, typmod: i32, binary: bool) -> Decoder {
        if binary {
            if let Some(direct) = direct(kind) {
                return direct;
            }
        }
        let (mut id, mut io_param) = (InvalidOid, InvalidOid);
        let mut function = FmgrInfo::default();
        // SAFETY: catalog lookups of an existing type and function.
        unsafe {
            if binary {
                getTypeBinaryInputInfo(kind, &mut id, &mut io_param);
            } else {
                getTypeInputInfo(kind, &mut id, &mut io_param);
            }
            fmgr_info(id, &mut function);
        }
        if binary {
            Decoder::Receive {
                function,
                io_param,
                typmod,
            }
        } else {
            Decoder::Input {
                function,
                io_param,
                typmod,
            }
        }
    }

    /// The datum of a value, allocated in the current memory context.
    ///
    /// # Safety
    /// `value` is what a node sent for a column of the decoder's type and format, followed by a NUL byte when text.
    /// Nothing droppable may live in the callers' frames: PostgreSQL's functions are called without a guard.
    pub unsafe fn decode(&mut self, value: &[u8]) -> Datum {
        // SAFETY: as the caller promises; fixed-length values are checked for their length.
        unsafe {
            match self {
                Decoder::Bool => Datum::from(value.first().is_some_and(|&b| b != 0)),
                Decoder::Int16 => Datum::from(i16::from_be_bytes(fixed(value))),
                Decoder::Int32 => Datum::from(i32::from_be_bytes(fixed(value))),
                Decoder::Int64 => Datum::from(i64::from_be_bytes(fixed(value))),
                Decoder::Bytes => varlena(value),
                Decoder::Receive {
                    function,
                    io_param,
                    typmod,
                } => {
                    let mut buffer = StringInfoData {
                        data: value.as_ptr() as *mut c_char,
                        len: value.len() as i32,
                        maxlen: value.len() as i32 + 1,
                        cursor: 0,
                    };
                    raw::ReceiveFunctionCall(function, &mut buffer, *io_param, *typmod)
                }
                Decoder::Input {
                    function,
                    io_param,
                    typmod,
                } => raw::InputFunctionCall(
                    function,
                    value.as_ptr() as *mut c_char,
                    *io_param,
                    *typmod,
                ),
            }
        }
    }
}

/// A fixed-length value; zero when the node sent another length (which it never does).
fn fixed<const N: usize>(value: &[u8]) -> [u8; N] {
    value.try_into().unwrap_or([0; N])
}

unsafe fn varlena(value: &[u8]) -> Datum {
    let size = value.len() + pg_sys::VARHDRSZ;
    // SAFETY: the memory has room for the header and the bytes.
    unsafe {
        let place = raw::palloc(size).cast::<u8>();
        pgrx::set_varsize_4b(place.cast(), size as i32);
        std::ptr::copy_nonoverlapping(value.as_ptr(), place.add(pg_sys::VARHDRSZ), value.len());
        Datum::from(place)
    }
}
