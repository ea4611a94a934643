//! Looking through casts: as far as they keep the hash, or the bytes, or in any case.

use crate::pg::catalog::hash_family;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{
    ArrayCoerceExpr, CoerceToDomain, CoerceViaIO, CoercionForm, FuncExpr, RelabelType,
};

/// The node without relabelings that keep the hash: `varchar` as `text`, but not `text` as `char(n)`, whose
/// hash ignores blanks at the end.
pub fn strip_alike(mut node: NodeRef) -> NodeRef {
    while let Some(inner) = node.cast::<RelabelType>().and_then(|cast| cast.argument()) {
        if hash_family(inner.expression_type()) != hash_family(node.expression_type()) {
            break;
        }
        node = inner;
    }
    node
}

/// The node without an implicit cast between types that hash alike, such as integer and bigint. Casts that also make
/// a value fit a length or precision may change it, and stay.
pub fn strip_cast(node: NodeRef) -> NodeRef {
    let node = strip_alike(node);
    let Some(cast) = implicit_cast(node) else {
        return node;
    };
    match cast.arguments().first() {
        Some(argument)
            if cast.arguments().len() == 1
                && hash_family(argument.expression_type()) == hash_family(cast.funcresulttype) =>
        {
            strip_alike(argument)
        }
        _ => node,
    }
}

/// The node without any implicit cast, whatever it does.
pub fn strip_casts(mut node: NodeRef) -> NodeRef {
    while let Some(inner) = below_cast(node) {
        node = inner;
    }
    node
}

fn below_cast(node: NodeRef) -> Option<NodeRef> {
    if let Some(cast) = node.cast::<RelabelType>() {
        cast.argument()
    } else if let Some(cast) = node.cast::<CoerceViaIO>() {
        cast.argument()
    } else if let Some(cast) = node.cast::<CoerceToDomain>() {
        cast.argument()
    } else if let Some(cast) = node.cast::<ArrayCoerceExpr>() {
        cast.argument()
    } else {
        implicit_cast(node)?.arguments().first()
    }
}

fn implicit_cast(node: NodeRef<'_>) -> Option<NodeRef<'_, FuncExpr>> {
    node.cast::<FuncExpr>()
        .filter(|call| call.funcformat == CoercionForm::COERCE_IMPLICIT_CAST)
}

/// The node without relabelings, which change no value; equal ones of another type may have another hash.
pub fn strip_relabel(mut node: NodeRef) -> NodeRef {
    while let Some(inner) = node.cast::<RelabelType>().and_then(|cast| cast.argument()) {
        node = inner;
    }
    node
}
