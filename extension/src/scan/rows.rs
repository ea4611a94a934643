//! Rows of other nodes as tuples here.

use crate::dispatch::stream::Stream;
use crate::remote::value_settings::Faithful;
use pgrx::pg_sys::{self, Datum, FmgrInfo, Oid, TupleTableSlot};

/// How the columns of a result become values.
pub struct Decoder {
    columns: Vec<Column>,
    binary: bool,
}

struct Column {
    function: FmgrInfo,
    parameter: Oid,
    typmod: i32,
}

impl Decoder {
    /// For rows of this shape; lives in the current memory context.
    ///
    /// # Safety
    /// `descriptor` is a valid tuple descriptor.
    pub unsafe fn new(descriptor: pg_sys::TupleDesc, binary: bool) -> Decoder {
        // SAFETY: attributes lie behind the descriptor, natts of them; the looked-up functions exist.
        let columns = unsafe {
            let count = (*descriptor).natts as usize;
            let attributes = std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), count);
            attributes
                .iter()
                .map(|attribute| column(attribute, binary))
                .collect()
        };
        Decoder { columns, binary }
    }

    /// Stores the stream's current row in the slot. Values live in the current memory context.
    ///
    /// # Safety
    /// `slot` is a virtual slot of the decoder's shape.
    pub unsafe fn store(&mut self, stream: &Stream, slot: *mut TupleTableSlot) {
        let _faithful = Faithful::new();
        // SAFETY: the slot has as many values as there are columns.
        unsafe {
            (*(*slot).tts_ops).clear.expect("every slot can be cleared")(slot);
            for (index, column) in self.columns.iter_mut().enumerate() {
                let value = stream.value(index);
                *(*slot).tts_isnull.add(index) = value.is_none();
                *(*slot).tts_values.add(index) = match value {
                    None => Datum::from(0),
                    Some(bytes) => column.decode(bytes, self.binary),
                };
            }
            pg_sys::ExecStoreVirtualTuple(slot);
        }
    }
}

unsafe fn column(attribute: &pg_sys::FormData_pg_attribute, binary: bool) -> Column {
    let (mut oid, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    let mut function = FmgrInfo::default();
    // SAFETY: catalog lookups of an existing type; fmgr_info fills the structure.
    unsafe {
        if binary {
            pg_sys::getTypeBinaryInputInfo(attribute.atttypid, &mut oid, &mut parameter);
        } else {
            pg_sys::getTypeInputInfo(attribute.atttypid, &mut oid, &mut parameter);
        }
        pg_sys::fmgr_info(oid, &mut function);
    }
    Column {
        function,
        parameter,
        typmod: attribute.atttypmod,
    }
}

impl Column {
    /// # Safety
    /// The bytes are a value of the column's type, in text followed by a NUL byte (as libpq and the kept rows have it).
    unsafe fn decode(&mut self, bytes: &[u8], binary: bool) -> Datum {
        // SAFETY: a receive function reads from the buffer without changing it; an input function
        // reads a NUL-terminated text.
        unsafe {
            if binary {
                let mut buffer = pg_sys::StringInfoData {
                    data: bytes.as_ptr().cast_mut().cast(),
                    len: bytes.len() as i32,
                    maxlen: bytes.len() as i32,
                    cursor: 0,
                };
                pg_sys::ReceiveFunctionCall(
                    &mut self.function,
                    &mut buffer,
                    self.parameter,
                    self.typmod,
                )
            } else {
                let text = bytes.as_ptr().cast_mut().cast();
                pg_sys::InputFunctionCall(&mut self.function, text, self.parameter, self.typmod)
            }
        }
    }
}

/// A value in its type's text form.
///
/// # Safety
/// `value` is a value of the type.
pub unsafe fn to_text(value: Datum, type_oid: Oid) -> Vec<u8> {
    let (mut function, mut variable) = (pg_sys::InvalidOid, false);
    let _faithful = Faithful::new();
    // SAFETY: a catalog lookup of an existing type; output functions return NUL-terminated text.
    unsafe {
        pg_sys::getTypeOutputInfo(type_oid, &mut function, &mut variable);
        let text = pg_sys::OidOutputFunctionCall(function, value);
        std::ffi::CStr::from_ptr(text).to_bytes().to_vec()
    }
}
