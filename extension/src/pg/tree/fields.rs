//! The fields of nodes that lead to other nodes, with the types that PostgreSQL's headers (`parsenodes.h`, `primnodes.h`,
//! `plannodes.h`) give them in their comments. Statements have theirs in [`super::statements`].

use super::{string, IntList, ListRef, NodeRef, OidList, Tagged};
use pgrx::pg_sys::*;
use std::ffi::CStr;

/// `Type(TAG) { kind field => method: Type of what it leads to; ... }`.
#[macro_export]
macro_rules! tree_nodes {
    ($($type:ident ($tag:ident) { $($kind:ident $field:ident => $method:ident $(: $to:ty)?;)* })*) => {
        $(
            // SAFETY: PostgreSQL's tag of this structure.
            unsafe impl Tagged for $type {
                const TAG: NodeTag = NodeTag::$tag;
            }

            // The tables are those of the headers, whether or not a field is of use yet.
            #[allow(dead_code)]
            impl<'a> NodeRef<'a, $type> {
                $($crate::tree_nodes!(@ $kind $field $method $($to)?);)*
            }
        )*
    };
    (@ one $field:ident $method:ident $to:ty) => {
        pub fn $method(self) -> Option<NodeRef<'a, $to>> {
            // SAFETY: the field is null or leads to a node of this type (`NodeRef::new`).
            unsafe { NodeRef::new(self.$field.cast()) }
        }
    };
    (@ list $field:ident $method:ident $to:ty) => {
        pub fn $method(self) -> ListRef<'a, $to> {
            // SAFETY: the field is null or leads to a list of nodes of this type (`NodeRef::new`).
            unsafe { ListRef::new(self.$field) }
        }
    };
    (@ oids $field:ident $method:ident) => {
        pub fn $method(self) -> OidList<'a> {
            // SAFETY: the field is null or leads to a list of OIDs (`NodeRef::new`).
            unsafe { OidList::new(self.$field) }
        }
    };
    (@ ints $field:ident $method:ident) => {
        pub fn $method(self) -> IntList<'a> {
            // SAFETY: the field is null or leads to a list of integers (`NodeRef::new`).
            unsafe { IntList::new(self.$field) }
        }
    };
    (@ text $field:ident $method:ident) => {
        pub fn $method(self) -> Option<&'a CStr> {
            // SAFETY: the field is null or leads to a NUL-terminated string (`NodeRef::new`).
            unsafe { string(self.$field) }
        }
    };
}

tree_nodes! {
    Query(T_Query) {
        one utilityStmt => utility_statement: Node;
        list cteList => with: CommonTableExpr;
        list rtable => range_table: RangeTblEntry;
        one jointree => join_tree: FromExpr;
        list mergeActionList => merge_actions: MergeAction;
        list targetList => targets: TargetEntry;
        one onConflict => on_conflict: OnConflictExpr;
        list returningList => returning: TargetEntry;
        list groupClause => group_clause: SortGroupClause;
        list groupingSets => grouping_sets: Node;
        one havingQual => having: Node;
        list windowClause => windows: WindowClause;
        list distinctClause => distinct: SortGroupClause;
        list sortClause => sort_clause: SortGroupClause;
        one limitOffset => limit_offset: Node;
        one limitCount => limit_count: Node;
        list rowMarks => row_marks: RowMarkClause;
        one setOperations => set_operations: Node;
        list withCheckOptions => check_options: WithCheckOption;
    }
    RangeTblEntry(T_RangeTblEntry) {
        one subquery => subquery: Query;
        one tablesample => table_sample: TableSampleClause;
        list joinaliasvars => join_alias_vars: Node;
        list functions => functions: RangeTblFunction;
        one tablefunc => table_function: TableFunc;
        list values_lists => values_lists: List;
        text ctename => cte_name;
        oids coltypes => column_types;
        ints coltypmods => column_typmods;
        oids colcollations => column_collations;
        text enrname => transition_name;
        one alias => alias: Alias;
        one eref => names: Alias;
        list securityQuals => security_quals: Node;
    }
    RangeTblFunction(T_RangeTblFunction) {
        one funcexpr => call: Node;
        oids funccoltypes => column_types;
        ints funccoltypmods => column_typmods;
        oids funccolcollations => column_collations;
    }
    TableSampleClause(T_TableSampleClause) {
        list args => arguments: Node;
        one repeatable => repeatable: Node;
    }
    CommonTableExpr(T_CommonTableExpr) {
        text ctename => name;
        one ctequery => query: Query;
    }
    Alias(T_Alias) {
        text aliasname => name;
        list colnames => column_names: String;
    }
    RangeTblRef(T_RangeTblRef) {}
    FromExpr(T_FromExpr) {
        list fromlist => items: Node;
        one quals => conditions: Node;
    }
    JoinExpr(T_JoinExpr) {
        one larg => left: Node;
        one rarg => right: Node;
        one quals => conditions: Node;
    }
    OnConflictExpr(T_OnConflictExpr) {
        list arbiterElems => arbiter_elements: InferenceElem;
        one arbiterWhere => arbiter_condition: Node;
        list onConflictSet => assignments: TargetEntry;
        one onConflictWhere => condition: Node;
        list exclRelTlist => excluded_targets: TargetEntry;
    }
    InferenceElem(T_InferenceElem) {
        one expr => expression: Node;
    }
    MergeAction(T_MergeAction) {
        one qual => condition: Node;
        list targetList => targets: TargetEntry;
        ints updateColnos => updated_columns;
    }
    TargetEntry(T_TargetEntry) {
        one expr => expression: Node;
        text resname => name;
    }
    SortGroupClause(T_SortGroupClause) {}
    GroupingSet(T_GroupingSet) {
        list content => content: Node;
    }
    WindowClause(T_WindowClause) {
        list partitionClause => partition_clause: SortGroupClause;
        list orderClause => order_clause: SortGroupClause;
        one startOffset => start_offset: Node;
        one endOffset => end_offset: Node;
    }
    RowMarkClause(T_RowMarkClause) {}
    WithCheckOption(T_WithCheckOption) {
        one qual => condition: Node;
    }
    SetOperationStmt(T_SetOperationStmt) {
        one larg => left: Node;
        one rarg => right: Node;
    }
    Var(T_Var) {}
    Const(T_Const) {}
    Param(T_Param) {}
    Aggref(T_Aggref) {
        list aggdirectargs => direct_arguments: Node;
        list args => arguments: TargetEntry;
        list aggorder => order: SortGroupClause;
        list aggdistinct => distinct: SortGroupClause;
        one aggfilter => filter: Node;
        oids aggargtypes => argument_types;
    }
    GroupingFunc(T_GroupingFunc) {
        list args => arguments: Node;
    }
    WindowFunc(T_WindowFunc) {
        list args => arguments: Node;
        one aggfilter => filter: Node;
    }
    FuncExpr(T_FuncExpr) {
        list args => arguments: Node;
    }
    OpExpr(T_OpExpr) {
        list args => arguments: Node;
    }
    ScalarArrayOpExpr(T_ScalarArrayOpExpr) {
        list args => arguments: Node;
    }
    BoolExpr(T_BoolExpr) {
        list args => arguments: Node;
    }
    SubLink(T_SubLink) {
        one testexpr => test: Node;
        one subselect => query: Query;
    }
    RelabelType(T_RelabelType) {
        one arg => argument: Node;
    }
    CoerceViaIO(T_CoerceViaIO) {
        one arg => argument: Node;
    }
    CoerceToDomain(T_CoerceToDomain) {
        one arg => argument: Node;
    }
    ArrayCoerceExpr(T_ArrayCoerceExpr) {
        one arg => argument: Node;
        one elemexpr => element: Node;
    }
    CaseExpr(T_CaseExpr) {
        one arg => argument: Node;
        list args => whens: CaseWhen;
        one defresult => otherwise: Node;
    }
    CaseWhen(T_CaseWhen) {
        one expr => condition: Node;
        one result => result: Node;
    }
    CaseTestExpr(T_CaseTestExpr) {}
    RowExpr(T_RowExpr) {
        list args => arguments: Node;
    }
    RowCompareExpr(T_RowCompareExpr) {
        oids opnos => operators;
        list largs => left: Node;
        list rargs => right: Node;
    }
    FieldStore(T_FieldStore) {
        one arg => argument: Node;
        list newvals => values: Node;
    }
    SubscriptingRef(T_SubscriptingRef) {
        list refupperindexpr => upper: Node;
        list reflowerindexpr => lower: Node;
        one refexpr => container: Node;
        one refassgnexpr => assigned: Node;
    }
    SQLValueFunction(T_SQLValueFunction) {}
    NextValueExpr(T_NextValueExpr) {}
    CoerceToDomainValue(T_CoerceToDomainValue) {}
    SetToDefault(T_SetToDefault) {}
    CurrentOfExpr(T_CurrentOfExpr) {
        text cursor_name => cursor_name;
    }
    PlaceHolderVar(T_PlaceHolderVar) {
        one phexpr => expression: Node;
    }
    SubPlan(T_SubPlan) {
        one testexpr => test: Node;
        list args => arguments: Node;
    }
    AlternativeSubPlan(T_AlternativeSubPlan) {
        list subplans => plans: SubPlan;
    }
    List(T_List) {}
    String(T_String) {
        text sval => value;
    }
    Integer(T_Integer) {}
    PlannedStmt(T_PlannedStmt) {
        one planTree => plan: Plan;
        list rtable => range_table: RangeTblEntry;
        list subplans => subplans: Plan;
        oids relationOids => relations;
        one utilityStmt => utility_statement: Node;
    }
    CustomScan(T_CustomScan) {
        list custom_plans => plans: Plan;
        list custom_exprs => expressions: Node;
        list custom_private => private: Node;
        list custom_scan_tlist => columns: TargetEntry;
    }
    ModifyTable(T_ModifyTable) {
        ints resultRelations => result_relations;
        list returningLists => returning_lists: List;
    }
    RestrictInfo(T_RestrictInfo) {
        one clause => clause: Node;
    }
}

impl<'a> NodeRef<'a, Plan> {
    /// The columns that the plan gives.
    pub fn targets(self) -> ListRef<'a, TargetEntry> {
        // SAFETY: the target list of a plan (`NodeRef::new`).
        unsafe { ListRef::new(self.targetlist) }
    }

    /// Where the plan's rows come from, or those of its left side.
    pub fn outer_plan(self) -> Option<NodeRef<'a, Plan>> {
        // SAFETY: null or a plan (`NodeRef::new`).
        unsafe { NodeRef::new(self.lefttree) }
    }

    /// The plan as the type that its tag stands for; `None` when it is of another type.
    pub fn cast<T: Tagged>(self) -> Option<NodeRef<'a, T>> {
        self.node().cast()
    }
}

impl<'a> NodeRef<'a, Node> {
    /// An operator with its arguments: also IS DISTINCT FROM and NULLIF, which have the same structure.
    pub fn operation(self) -> Option<NodeRef<'a, OpExpr>> {
        let alike = [
            NodeTag::T_OpExpr,
            NodeTag::T_DistinctExpr,
            NodeTag::T_NullIfExpr,
        ];
        // SAFETY: a node with one of these tags is an OpExpr.
        alike
            .contains(&self.tag())
            .then(|| unsafe { NodeRef::present(self.as_ptr().cast()) })
    }
}

impl<'a> NodeRef<'a, CustomScan> {
    /// The columns that the scan gives.
    pub fn targets(self) -> ListRef<'a, TargetEntry> {
        // SAFETY: the target list of a plan (`NodeRef::new`).
        unsafe { ListRef::new(self.scan.plan.targetlist) }
    }
}

impl<'a> NodeRef<'a, List> {
    /// The list as one of nodes, which every list of this tag in a statement is.
    pub fn nodes(self) -> ListRef<'a, Node> {
        // SAFETY: a valid list; the parser makes lists of pointers of nodes only.
        unsafe { ListRef::new(self.as_ptr()) }
    }

    /// The list as one of nodes; for fields whose lists hold lists.
    ///
    /// # Safety
    /// The elements are nodes of type `T`.
    pub unsafe fn elements<T>(self) -> ListRef<'a, T> {
        // SAFETY: as the caller promises.
        unsafe { ListRef::new(self.as_ptr()) }
    }
}

impl<'a> NodeRef<'a, Query> {
    /// The entry of the range table with this index (from 1).
    pub fn entry(self, index: i32) -> Option<NodeRef<'a, RangeTblEntry>> {
        self.range_table()
            .get(usize::try_from(index).ok()?.checked_sub(1)?)
    }

    /// The entry that an INSERT, UPDATE, DELETE or MERGE writes.
    pub fn result_entry(self) -> Option<NodeRef<'a, RangeTblEntry>> {
        self.entry(self.resultRelation)
    }
}
