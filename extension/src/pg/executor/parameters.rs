//! Values for the parameters of statements.

use crate::pg::entry::guarded;
use pgrx::pg_sys::{self, Datum, Oid, ParamExternData, ParamListInfo};

/// The values that a statement's parameters have been given.
#[derive(Clone, Copy)]
pub struct Parameters(ParamListInfo);

impl Parameters {
    /// # Safety
    /// Null, or a list that lives as long as the result is used.
    pub unsafe fn of(list: ParamListInfo) -> Parameters {
        Parameters(list)
    }

    /// None at all.
    pub fn none() -> Parameters {
        Parameters(std::ptr::null_mut())
    }

    /// New ones of these types, NULL for now, in the current memory context.
    pub fn of_types(types: &[Oid]) -> Parameters {
        if types.is_empty() {
            return Parameters::none();
        }
        // SAFETY: the new list has room for as many parameters.
        unsafe {
            let list = pg_sys::makeParamList(types.len() as i32);
            for (place, &kind) in types.iter().enumerate() {
                *(*list).params.as_mut_ptr().add(place) = ParamExternData {
                    value: Datum::from(0),
                    isnull: true,
                    pflags: pg_sys::PARAM_FLAG_CONST as u16,
                    ptype: kind,
                };
            }
            Parameters(list)
        }
    }

    /// For PostgreSQL's functions.
    pub fn as_ptr(self) -> ParamListInfo {
        self.0
    }

    /// The parameters of a list that does not fetch them one by one, in order.
    pub fn all<'a>(self) -> &'a [ParamExternData] {
        // SAFETY: parameters lie behind their list, numParams of them.
        unsafe {
            self.0.as_ref().map_or(&[], |list| {
                std::slice::from_raw_parts(list.params.as_ptr(), list.numParams as usize)
            })
        }
    }

    /// Gives a parameter (by its place, from 0) another value.
    pub fn set(self, place: usize, value: Option<Datum>) {
        assert!(place < self.all().len(), "a parameter of the list");
        // SAFETY: the place is one of the list's.
        unsafe {
            let parameter = (*self.0).params.as_mut_ptr().add(place);
            (*parameter).isnull = value.is_none();
            (*parameter).value = value.unwrap_or(Datum::from(0));
        }
    }

    /// The value (`Some(None)` is NULL) of a parameter by its number, if it has been given one of this type.
    pub fn value(self, number: i32, kind: Oid) -> Option<Option<Datum>> {
        let mut room = ParamExternData::default();
        // SAFETY: parameters lie behind their list, numParams of them, or are fetched by its own function; the guard keeps an
        // error in that from jumping over the callers' frames.
        let given = unsafe {
            let list = self.0.as_mut()?;
            if number < 1 || number > list.numParams {
                return None;
            }
            match list.paramFetch {
                Some(fetch) => *guarded(|| fetch(self.0, number, false, &mut room)),
                None => *list.params.as_ptr().add(number as usize - 1),
            }
        };
        (given.ptype == kind).then_some((!given.isnull).then_some(given.value))
    }
}
