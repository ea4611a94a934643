//! The fields of utility statements that lead to other nodes. See [`super::fields`].

use super::{owned, string, ListRef, NodeRef, Tagged};
use crate::tree_nodes;
use pgrx::pg_sys::*;
use std::ffi::CStr;

tree_nodes! {
    RawStmt(T_RawStmt) {
        one stmt => statement: Node;
    }
    RangeVar(T_RangeVar) {
        text catalogname => catalog;
        text schemaname => schema;
        text relname => name;
    }
    DefElem(T_DefElem) {
        text defname => name;
        one arg => argument: Node;
    }
    TypeName(T_TypeName) {
        list names => names: String;
    }
    ColumnDef(T_ColumnDef) {
        text colname => name;
        one typeName => type_name: TypeName;
        one raw_default => raw_default: Node;
        one cooked_default => cooked_default: Node;
        list constraints => constraints: Constraint;
    }
    Constraint(T_Constraint) {
        text conname => name;
        one raw_expr => raw_expression: Node;
        list keys => keys: String;
        text indexname => index_name;
        text indexspace => index_space;
        one pktable => referenced: RangeVar;
        list options => options: DefElem;
    }
    CopyStmt(T_CopyStmt) {
        one relation => relation: RangeVar;
        one query => query: Node;
        list attlist => columns: String;
        list options => options: DefElem;
        one whereClause => condition: Node;
        text filename => file_name;
    }
    CreateStmt(T_CreateStmt) {
        one relation => relation: RangeVar;
        list tableElts => elements: Node;
        list inhRelations => parents: RangeVar;
        text tablespacename => tablespace;
    }
    AlterTableStmt(T_AlterTableStmt) {
        one relation => relation: RangeVar;
        list cmds => commands: AlterTableCmd;
    }
    AlterTableCmd(T_AlterTableCmd) {
        text name => name;
        one def => definition: Node;
    }
    IndexStmt(T_IndexStmt) {
        text idxname => name;
        one relation => relation: RangeVar;
        text tableSpace => tablespace;
        list indexParams => columns: Node;
        list options => options: DefElem;
    }
    AlterTableMoveAllStmt(T_AlterTableMoveAllStmt) {
        text orig_tablespacename => from;
    }
    DropTableSpaceStmt(T_DropTableSpaceStmt) {
        text tablespacename => name;
    }
    AlterTableSpaceOptionsStmt(T_AlterTableSpaceOptionsStmt) {
        text tablespacename => name;
    }
    DropOwnedStmt(T_DropOwnedStmt) {}
    CreateForeignTableStmt(T_CreateForeignTableStmt) {}
    DropStmt(T_DropStmt) {
        list objects => objects: Node;
    }
    RenameStmt(T_RenameStmt) {
        one relation => relation: RangeVar;
        one object => object: Node;
        text subname => old_name;
        text newname => new_name;
    }
    CommentStmt(T_CommentStmt) {
        one object => object: Node;
    }
    GrantStmt(T_GrantStmt) {
        list objects => objects: Node;
        list privileges => privileges: Node;
        list grantees => grantees: RoleSpec;
    }
    RoleSpec(T_RoleSpec) {
        text rolename => name;
    }
    LockStmt(T_LockStmt) {
        list relations => relations: RangeVar;
    }
    TruncateStmt(T_TruncateStmt) {
        list relations => relations: RangeVar;
    }
    VacuumStmt(T_VacuumStmt) {
        list options => options: DefElem;
        list rels => relations: VacuumRelation;
    }
    VacuumRelation(T_VacuumRelation) {
        one relation => relation: RangeVar;
        list va_cols => columns: String;
    }
    ReindexStmt(T_ReindexStmt) {
        one relation => relation: RangeVar;
        text name => name;
        list params => options: DefElem;
    }
    ClusterStmt(T_ClusterStmt) {
        one relation => relation: RangeVar;
        text indexname => index_name;
    }
    ViewStmt(T_ViewStmt) {
        one view => view: RangeVar;
        one query => query: Node;
    }
    RuleStmt(T_RuleStmt) {
        one relation => relation: RangeVar;
    }
    CreateTrigStmt(T_CreateTrigStmt) {
        one relation => relation: RangeVar;
        list funcname => function_name: String;
    }
    CreatePolicyStmt(T_CreatePolicyStmt) {
        one table => table: RangeVar;
    }
    AlterPolicyStmt(T_AlterPolicyStmt) {
        one table => table: RangeVar;
    }
    CreateStatsStmt(T_CreateStatsStmt) {
        list defnames => names: String;
        list relations => relations: Node;
    }
    AlterStatsStmt(T_AlterStatsStmt) {
        list defnames => names: String;
    }
    CreateSchemaStmt(T_CreateSchemaStmt) {
        text schemaname => name;
        one authrole => owner: RoleSpec;
        list schemaElts => elements: Node;
    }
    CreateSeqStmt(T_CreateSeqStmt) {
        one sequence => sequence: RangeVar;
        list options => options: DefElem;
    }
    AlterSeqStmt(T_AlterSeqStmt) {
        one sequence => sequence: RangeVar;
        list options => options: DefElem;
    }
    CreateFunctionStmt(T_CreateFunctionStmt) {
        list funcname => names: String;
    }
    AlterFunctionStmt(T_AlterFunctionStmt) {
        one func => function: ObjectWithArgs;
    }
    ObjectWithArgs(T_ObjectWithArgs) {
        list objname => names: String;
    }
    CompositeTypeStmt(T_CompositeTypeStmt) {
        one typevar => name: RangeVar;
        list coldeflist => columns: ColumnDef;
    }
    CreateEnumStmt(T_CreateEnumStmt) {
        list typeName => names: String;
    }
    AlterEnumStmt(T_AlterEnumStmt) {
        list typeName => names: String;
    }
    CreateRangeStmt(T_CreateRangeStmt) {
        list typeName => names: String;
    }
    CreateDomainStmt(T_CreateDomainStmt) {
        list domainname => names: String;
        one typeName => type_name: TypeName;
    }
    AlterDomainStmt(T_AlterDomainStmt) {
        list typeName => names: String;
    }
    AlterOwnerStmt(T_AlterOwnerStmt) {
        one relation => relation: RangeVar;
        one object => object: Node;
    }
    AlterObjectSchemaStmt(T_AlterObjectSchemaStmt) {
        one relation => relation: RangeVar;
        one object => object: Node;
        text newschema => new_schema;
    }
    AlterExtensionStmt(T_AlterExtensionStmt) {
        text extname => name;
    }
    CreateExtensionStmt(T_CreateExtensionStmt) {
        text extname => name;
    }
    DefineStmt(T_DefineStmt) {
        list defnames => names: String;
    }
    TransactionStmt(T_TransactionStmt) {
        list options => options: DefElem;
    }
    VariableSetStmt(T_VariableSetStmt) {
        text name => name;
        list args => arguments: Node;
    }
    ConstraintsSetStmt(T_ConstraintsSetStmt) {
        list constraints => constraints: RangeVar;
    }
    DeclareCursorStmt(T_DeclareCursorStmt) {
        text portalname => name;
        one query => query: Node;
    }
}

impl<'a> NodeRef<'a, CreateForeignTableStmt> {
    /// What it has in common with CREATE TABLE.
    pub fn table(self) -> NodeRef<'a, CreateStmt> {
        // SAFETY: the structure begins with a CreateStmt, with everything below it.
        let table = unsafe { NodeRef::new(self.as_ptr().cast()) };
        table.expect("made of a reference")
    }
}

impl NodeRef<'_, DefElem> {
    /// The option as a boolean, true where it says nothing; raises for what is none.
    pub fn is_on(self) -> bool {
        // SAFETY: a valid option.
        unsafe { defGetBoolean(self.as_ptr()) }
    }

    /// The option's value as text; `None` where it says nothing.
    pub fn text(self) -> Option<std::string::String> {
        self.argument()?;
        // SAFETY: a valid option with a value: gives a palloc'd or static string, or raises.
        owned(unsafe { string(defGetString(self.as_ptr())) })
    }
}

impl NodeRef<'_, RoleSpec> {
    /// The role's name, of the current or session user as well; raises for PUBLIC and for what does not exist.
    pub fn role_name(self) -> std::string::String {
        // SAFETY: a valid name of a role: gives a palloc'd string, or raises.
        owned(unsafe { string(get_rolespec_name(self.as_ptr())) }).unwrap_or_default()
    }
}

impl NodeRef<'_, AlterTableStmt> {
    /// The number of the lock mode that its commands need.
    pub fn lock_mode(self) -> i32 {
        // SAFETY: a valid list of commands, read only.
        unsafe { AlterTableGetLockLevel(self.cmds) }
    }
}
