//! Making expressions and small parts of queries, in the current memory context. Names are copied.

use super::{list_of, make, ListRef, NodeMut, NodeRef};
use pgrx::pg_sys::{self, AttrNumber, Datum, Node, Oid};
use std::ffi::{c_char, CStr};

/// Type, type modifier and collation of an expression's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueType {
    pub oid: Oid,
    pub typmod: i32,
    pub collation: Oid,
}

impl ValueType {
    /// Values of the type without a modifier or a collation.
    pub fn plain(oid: Oid) -> Self {
        ValueType {
            oid,
            typmod: -1,
            collation: pg_sys::InvalidOid,
        }
    }
}

impl NodeRef<'_, Node> {
    /// Type, modifier and collation of an expression; raises for a node that is none.
    pub fn value_type(self) -> ValueType {
        // SAFETY: read a valid expression.
        unsafe {
            ValueType {
                oid: pg_sys::exprType(self.as_ptr()),
                typmod: pg_sys::exprTypmod(self.as_ptr()),
                collation: pg_sys::exprCollation(self.as_ptr()),
            }
        }
    }
}

/// A column of this query level.
pub fn var<'a>(rti: i32, attribute: AttrNumber, of: ValueType) -> NodeRef<'a, pg_sys::Var> {
    // SAFETY: a new node of plain numbers.
    unsafe {
        new(pg_sys::makeVar(
            rti,
            attribute,
            of.oid,
            of.typmod,
            of.collation,
            0,
        ))
    }
}

/// `$number`.
pub fn parameter<'a>(number: i32, of: ValueType) -> NodeRef<'a, pg_sys::Param> {
    let mut param = make::<pg_sys::Param>();
    param.paramkind = pg_sys::ParamKind::PARAM_EXTERN;
    param.paramid = number;
    param.paramtype = of.oid;
    param.paramtypmod = of.typmod;
    param.paramcollid = of.collation;
    param.location = -1;
    param.into_ref()
}

/// A NULL of this type.
pub fn null<'a>(of: ValueType) -> NodeRef<'a, pg_sys::Const> {
    // SAFETY: a new node; the type exists.
    unsafe { new(pg_sys::makeNullConst(of.oid, of.typmod, of.collation)) }
}

/// A constant of type boolean.
pub fn boolean<'a>(value: bool) -> NodeRef<'a, Node> {
    // SAFETY: a new node.
    unsafe { new(pg_sys::makeBoolConst(value, false)) }
}

/// A constant of type integer.
pub fn int4<'a>(value: i32) -> NodeRef<'a, pg_sys::Const> {
    by_value(pg_sys::INT4OID, 4, Datum::from(value))
}

/// A constant of type bigint.
pub fn int8<'a>(value: i64) -> NodeRef<'a, pg_sys::Const> {
    by_value(pg_sys::INT8OID, 8, Datum::from(value))
}

fn by_value<'a>(type_oid: Oid, size: i32, value: Datum) -> NodeRef<'a, pg_sys::Const> {
    // SAFETY: a type of this size that is passed by value.
    unsafe {
        let none = pg_sys::InvalidOid;
        new(pg_sys::makeConst(
            type_oid, -1, none, size, value, false, true,
        ))
    }
}

/// `function(arguments)`, called with this collation; the result has none.
pub fn call<'a>(
    function: Oid,
    result: Oid,
    arguments: impl IntoIterator<Item = NodeRef<'a>>,
    collation: Oid,
) -> NodeMut<'a, pg_sys::FuncExpr> {
    let mut call = make::<pg_sys::FuncExpr>();
    call.funcid = function;
    call.funcresulttype = result;
    call.funcformat = pg_sys::CoercionForm::COERCE_EXPLICIT_CALL;
    call.inputcollid = collation;
    call.args = list_of(arguments).as_ptr();
    call.location = -1;
    call
}

/// `left operator right`, of an operator that no collation concerns.
pub fn operation<'a>(
    operator: Oid,
    result: Oid,
    left: NodeRef<'a>,
    right: NodeRef<'a>,
) -> NodeRef<'a, pg_sys::OpExpr> {
    let mut operation = make::<pg_sys::OpExpr>();
    operation.opno = operator;
    operation.opresulttype = result;
    operation.args = list_of([left, right]).as_ptr();
    operation.location = -1;
    // SAFETY: fills in the function of an existing operator.
    unsafe { pg_sys::set_opfuncid(operation.as_ptr()) };
    operation.into_ref()
}

/// A visible entry of a target list.
pub fn target<'a>(
    expression: NodeRef<'a>,
    number: AttrNumber,
    name: Option<&CStr>,
) -> NodeMut<'a, pg_sys::TargetEntry> {
    let mut target = make::<pg_sys::TargetEntry>();
    target.expr = expression.as_ptr().cast();
    target.resno = number;
    target.resname = name.map_or(std::ptr::null_mut(), string_copy);
    target
}

/// A string as a node.
pub fn string<'a>(text: &CStr) -> NodeRef<'a, pg_sys::String> {
    let mut string = make::<pg_sys::String>();
    string.sval = string_copy(text);
    string.into_ref()
}

/// An integer as a node.
pub fn integer<'a>(value: i32) -> NodeRef<'a, pg_sys::Integer> {
    let mut integer = make::<pg_sys::Integer>();
    integer.ival = value;
    integer.into_ref()
}

/// `name(columns)`.
pub fn alias<'a, 'n>(
    name: &CStr,
    columns: impl IntoIterator<Item = &'n CStr>,
) -> NodeRef<'a, pg_sys::Alias> {
    let mut alias = make::<pg_sys::Alias>();
    alias.aliasname = string_copy(name);
    alias.colnames = list_of(columns.into_iter().map(string)).as_ptr();
    alias.into_ref()
}

/// FROM and WHERE: entries of the range table by their indexes (from 1), and the conditions.
pub fn from<'a>(
    entries: impl IntoIterator<Item = i32>,
    conditions: Option<NodeRef<'a>>,
) -> NodeMut<'a, pg_sys::FromExpr> {
    let mut tree = make::<pg_sys::FromExpr>();
    tree.fromlist = list_of(entries.into_iter().map(reference)).as_ptr();
    tree.quals = pointer(conditions);
    tree
}

fn reference<'a>(rti: i32) -> NodeRef<'a, pg_sys::RangeTblRef> {
    let mut reference = make::<pg_sys::RangeTblRef>();
    reference.rtindex = rti;
    reference.into_ref()
}

/// `SELECT` of a single entry of FROM, still without a target list.
pub fn select_from<'a>(entry: NodeRef<'a, pg_sys::RangeTblEntry>) -> NodeMut<'a, pg_sys::Query> {
    let mut query = make::<pg_sys::Query>();
    query.commandType = pg_sys::CmdType::CMD_SELECT;
    query.canSetTag = true;
    query.rtable = list_of([entry]).as_ptr();
    query.jointree = from([1], None).as_ptr();
    query
}

/// The parts of a condition that are joined by AND.
pub fn conjuncts(condition: Option<NodeRef<'_>>) -> ListRef<'_> {
    // SAFETY: a valid condition, or null; the list holds its parts.
    unsafe { ListRef::new(pg_sys::make_ands_implicit(pointer(condition).cast())) }
}

/// Conditions joined by AND; `None` when there are none.
pub fn all_of(conditions: ListRef<'_>) -> Option<NodeRef<'_>> {
    joined(pg_sys::BoolExprType::AND_EXPR, conditions)
}

/// Conditions joined by OR; `None` when there are none.
pub fn any_of(conditions: ListRef<'_>) -> Option<NodeRef<'_>> {
    joined(pg_sys::BoolExprType::OR_EXPR, conditions)
}

fn joined(by: pg_sys::BoolExprType::Type, conditions: ListRef<'_>) -> Option<NodeRef<'_>> {
    if conditions.len() < 2 {
        return conditions.first();
    }
    let mut all = make::<pg_sys::BoolExpr>();
    all.boolop = by;
    all.args = conditions.as_ptr();
    all.location = -1;
    Some(all.into_ref().node())
}

/// Adds a condition to FROM and WHERE.
pub fn add_condition(tree: &mut NodeMut<'_, pg_sys::FromExpr>, condition: NodeRef<'_>) {
    // SAFETY: two valid conditions, of which the first may be null.
    tree.quals = unsafe { pg_sys::make_and_qual(tree.quals, condition.as_ptr()) };
}

/// A node's pointer for a field; null for `None`.
pub fn pointer<T>(node: Option<NodeRef<'_, T>>) -> *mut T {
    node.map_or(std::ptr::null_mut(), NodeRef::as_ptr)
}

/// A copy of a string for a field of a tree.
pub fn string_copy(text: &CStr) -> *mut c_char {
    // SAFETY: copies a NUL-terminated string.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}

/// A node that PostgreSQL has just made.
///
/// # Safety
/// Not null, and valid.
unsafe fn new<'a, T>(node: *mut impl Sized) -> NodeRef<'a, T> {
    // SAFETY: as the caller promises.
    unsafe { NodeRef::new(node.cast()) }.expect("PostgreSQL raises rather than giving null")
}

/// The numbers of a target list's entries, from 1 in their order.
pub fn number_of(index: usize) -> AttrNumber {
    AttrNumber::try_from(index + 1).expect("a row has at most 1664 columns")
}
