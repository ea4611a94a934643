//! Looking through casts: as far as they keep the hash, or the bytes, or in any case.

use crate::is_a;
use crate::pg::list::nodes;
use pgrx::pg_sys::{self, Node, Oid};

/// The type's default hash operator family; `InvalidOid` when it has none.
pub fn hash_family(type_oid: Oid) -> Oid {
    // SAFETY: the type cache has an entry for every existing type.
    unsafe {
        let entry = pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_HASH_OPFAMILY as i32);
        (*entry).hash_opf
    }
}

/// The node without relabelings that keep the hash: `varchar` as `text`, but not `text` as `char(n)`, whose
/// hash ignores blanks at the end.
pub fn strip_alike(mut node: *mut Node) -> *mut Node {
    while is_a!(node, T_RelabelType) {
        // SAFETY: the tag was tested; both nodes are valid expressions.
        unsafe {
            let inner: *mut Node = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
            if hash_family(pg_sys::exprType(inner)) != hash_family(pg_sys::exprType(node)) {
                break;
            }
            node = inner;
        }
    }
    node
}

/// The node without an implicit cast between types that hash alike, such as integer and bigint. Casts that also make
/// a value fit a length or precision may change it, and stay.
pub fn strip_cast(node: *mut Node) -> *mut Node {
    let node = strip_alike(node);
    if !is_a!(node, T_FuncExpr) {
        return node;
    }
    // SAFETY: the tag was tested.
    unsafe {
        let cast = node.cast::<pg_sys::FuncExpr>();
        let arguments: Vec<*mut Node> = nodes((*cast).args).collect();
        match arguments[..] {
            [argument]
                if (*cast).funcformat == pg_sys::CoercionForm::COERCE_IMPLICIT_CAST
                    && hash_family(pg_sys::exprType(argument))
                        == hash_family((*cast).funcresulttype) =>
            {
                strip_alike(argument)
            }
            _ => node,
        }
    }
}

/// The node without any implicit cast, whatever it does.
pub fn strip_casts(mut node: *mut Node) -> *mut Node {
    // SAFETY: tags are tested; valid expressions.
    unsafe {
        loop {
            node = match (*node).type_ {
                pg_sys::NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
                pg_sys::NodeTag::T_CoerceViaIO => (*node.cast::<pg_sys::CoerceViaIO>()).arg.cast(),
                pg_sys::NodeTag::T_CoerceToDomain => {
                    (*node.cast::<pg_sys::CoerceToDomain>()).arg.cast()
                }
                pg_sys::NodeTag::T_ArrayCoerceExpr => {
                    (*node.cast::<pg_sys::ArrayCoerceExpr>()).arg.cast()
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = node.cast::<pg_sys::FuncExpr>();
                    let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
                    match nodes::<Node>((*call).args).next() {
                        Some(first) if (*call).funcformat == implicit => first,
                        _ => return node,
                    }
                }
                _ => return node,
            };
        }
    }
}

/// The node without relabelings, which change no value; equal ones of another type may have another hash.
pub fn strip_relabel(mut node: *mut Node) -> *mut Node {
    while is_a!(node, T_RelabelType) {
        // SAFETY: the tag was tested.
        node = unsafe { (*node.cast::<pg_sys::RelabelType>()).arg.cast() };
    }
    node
}
