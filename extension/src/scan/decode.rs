//! Rows of other nodes as rows here.
//!
//! The commonest types are decoded here, the others by their own functions. Fragments ask for binary results only when every
//! column is of a type listed in [`binary_ready`]: PostgreSQL's own receive functions of text-like types would convert from
//! the client's encoding, but nodes talk in the server's.

use crate::dispatch::stream::Stream;
use crate::pg::entry::guarded;
use crate::pg::executor::slot::Slot;
use crate::pg::executor::values::{varlena, Input};
use crate::remote::exact_values::ExactValues;
use pgrx::pg_sys::*;

/// How one column is decoded.
#[derive(Clone, Copy)]
pub enum Decoder {
    Bool,
    Int16,
    Int32,
    Int64,
    Uint32,
    /// Text-like and byte strings: the bytes are the value.
    Bytes,
    Function(Input),
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
        INT4OID | FLOAT4OID | DATEOID => Decoder::Int32,
        OIDOID => Decoder::Uint32,
        INT8OID | FLOAT8OID | TIMEOID | TIMESTAMPOID | TIMESTAMPTZOID | MONEYOID => Decoder::Int64,
        TEXTOID | VARCHAROID | BPCHAROID | BYTEAOID => Decoder::Bytes,
        _ => return None,
    })
}

impl Decoder {
    /// For values of a column; lives in the current memory context.
    pub fn new(column: &FormData_pg_attribute, binary: bool) -> Decoder {
        let kind = column.atttypid;
        direct(kind)
            .filter(|_| binary)
            .unwrap_or_else(|| Decoder::Function(Input::new(kind, column.atttypmod, binary)))
    }

    /// The value, in the current memory context.
    ///
    /// # Safety
    /// As for [`Input::read`].
    pub unsafe fn decode(&mut self, value: &[u8]) -> Datum {
        match self {
            Decoder::Bool => Datum::from(value.first().is_some_and(|&b| b != 0)),
            Decoder::Int16 => Datum::from(i16::from_be_bytes(fixed(value))),
            Decoder::Int32 => Datum::from(i32::from_be_bytes(fixed(value))),
            Decoder::Int64 => Datum::from(i64::from_be_bytes(fixed(value))),
            Decoder::Uint32 => Datum::from(u32::from_be_bytes(fixed(value))),
            // SAFETY: as the caller promises.
            Decoder::Bytes => unsafe { varlena(value) },
            // SAFETY: as the caller promises.
            Decoder::Function(input) => unsafe { input.read(value) },
        }
    }
}

/// A fixed-length value; zero when the node sent another length (which it never does).
fn fixed<const N: usize>(value: &[u8]) -> [u8; N] {
    value.try_into().unwrap_or([0; N])
}

/// Decodes rows that have the columns of a slot, in order.
pub struct RowDecoder(Vec<Decoder>);

impl RowDecoder {
    /// Lives in the current memory context.
    pub fn new(slot: Slot, binary: bool) -> RowDecoder {
        let columns = slot.attributes().iter();
        RowDecoder(columns.map(|column| Decoder::new(column, binary)).collect())
    }

    /// Stores the stream's current row in a virtual slot of the decoder's shape. Values live in the current memory context.
    pub fn store(&mut self, stream: &Stream, slot: Slot) {
        let _exact = ExactValues::new();
        slot.store(|values, nulls| {
            let fill = || {
                for (index, decoder) in self.0.iter_mut().enumerate() {
                    let value = stream.value(index);
                    nulls[index] = value.is_none();
                    // SAFETY: a node's value of this column, which libpq and kept rows end with a NUL byte, below the guard.
                    values[index] = value.map_or(Datum::from(0), |v| unsafe { decoder.decode(v) });
                }
            };
            // SAFETY: the closure holds nothing droppable.
            unsafe { guarded(fill) };
        });
    }
}
